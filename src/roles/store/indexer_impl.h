/* SPDX-License-Identifier: ISC */
/*
 * roles/store/indexer_impl - what the files of the indexer share
 *
 *   indexer.c       what comes next: accounts, steps, the sorter
 *   indexer_step.c  one step, in a READ thread
 *   find.c          what a search asks
 *
 * While a step is under way (is_stepping) its thread owns the builder, the
 * set of ids, the list of what is to do, and the results.
 */
#ifndef ROLES_STORE_INDEXER_IMPL_H
#define ROLES_STORE_INDEXER_IMPL_H

#include "roles/store/indexer.h"

/* An account that waits for its turn. */
struct index_account {
	struct list link;
	uint64_t account;
};

struct id_set {
	struct id *at; /* open addressing; the zero id is free */
	size_t n, size;
	uint64_t seed;
};

/* A piece of a message. */
struct index_item {
	struct id id;
	size_t at, len; /* in `data` */
	bool is_first, is_last;
};

struct index_result {
	struct id id;
	bool is_partial;
	size_t at, len[SLAB_N_PARTS]; /* in `terms` */
};

struct indexer {
	struct store_role *role;
	struct search *search;
	bool is_always, is_stopping, is_bad;
	struct list waiting; /* struct index_account */
	struct map known;    /* the same by account */
	struct map changed;  /* by account: looked at when the timer fires */
	struct list changes;
	struct env_timer look; /* at what has changed */
	struct env_timer pause;
	bool is_pausing;

	/* the sorter */
	struct channel *sorter; /* or NULL */
	uint64_t batch;         /* the session of its messages */
	size_t n_open;          /* pieces that are not answered */
	size_t n_answered;

	/* the account at work; 0: none */
	uint64_t account;
	bool is_dropped; /* its index shall go */
	struct store_read step;
	bool is_stepping;

	/* the step's */
	struct slab_builder *builder;
	struct id_set ids;
	bool has_ids, is_scanned, is_done;
	struct id after; /* emails up to this one were looked at */
	struct id *todo;
	size_t n_todo, at, batch_from;
	uint64_t offset; /* of the message todo[at] that is read in pieces */
	uint64_t n_live; /* emails that are indexed */
	uint8_t *data;   /* INDEX_BYTES */
	size_t n_data;
	struct index_item items[INDEX_ITEMS];
	size_t n_items;
	struct index_result results[INDEX_ITEMS];
	size_t n_results;
	struct buf terms;

	/* after the sorter has died of a message */
	unsigned n_alone; /* so many more go one by one */
	struct id suspect;

	/* questions: find.c */
	struct list finds;
	bool is_finding;
};

/* indexer_step.c: run() of the step. */
int indexer_step(struct db *db, struct store_read *read);
void id_set_free(struct id_set *s);

#endif
