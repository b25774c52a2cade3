/* SPDX-License-Identifier: ISC */
/*
 * imap/view - what this client was told about the selected mailbox
 *
 * The mailbox changes whenever it likes; a client counts messages by numbers
 * that only our untagged answers may change (RFC 3501, 2.3.1.2 and 5.5). So
 * the view is kept apart: rows of the store go in by imap_view_add and _gone,
 * and stay pending until the session has said them. 32 bytes a message; sets
 * of keywords are kept once. Owns its memory, bounded by IMAP_VIEW_ROWS and
 * a cap on their bytes.
 */
#ifndef IMAP_VIEW_H
#define IMAP_VIEW_H

#include "base/map.h"
#include "imap/parse.h"

enum {
	IMAP_ROW_TELL = 1, /* the client must hear of the flags */
	IMAP_ROW_GONE = 2, /* has left the mailbox; EXPUNGE not yet said */
	IMAP_ROW_TELL_MODSEQ = 4, /* and of its modseq, if only of that */
	IMAP_ROW_CHANGED = 8      /* told or not: for searches that are kept */
};

struct imap_row {
	uint32_t uid, size;
	int64_t date;      /* INTERNALDATE, microseconds UTC */
	uint64_t modseq;   /* RFC 7162 */
	int16_t zone;      /* minutes */
	uint16_t keywords; /* index into sets */
	uint8_t flags, state;
	uint8_t contexts; /* bits: it is in the result of that one (RFC 5267) */
};

struct imap_entry { /* one row as the store tells it */
	uint32_t uid, size;
	int64_t date;
	int zone;
	uint64_t modseq;
	uint8_t flags;
	struct slice keywords; /* sorted, one space between */
};

enum {
	IMAP_VIEW_OK,
	IMAP_VIEW_E_FULL /* more than we keep for one client */
};

enum {
	IMAP_VIEW_ROWS = 4 * 1000 * 1000,
	IMAP_VIEW_WORDS = 256
};

/* Indices of rows, lo <= hi, ascending, apart from each other. */
struct imap_pick {
	size_t lo, hi;
};
struct imap_picks {
	struct imap_pick *at;
	size_t n;
};

struct imap_view {
	struct imap_row *rows; /* ascending by uid */
	size_t n, size;
	size_t n_told; /* of them the client was told by EXISTS */
	size_t n_gone, n_tell;
	uint32_t recent;    /* uids from here on are \Recent in this view */
	struct slice *sets; /* [0]: no keywords */
	size_t n_sets, size_sets, set_bytes;
	struct map set_index; /* set -> its number, plus 1, as a pointer */
	struct slice words[IMAP_VIEW_WORDS]; /* all keywords, into sets */
	size_t n_words;
	bool has_new_words; /* FLAGS must be said again */
	bool tells_modseq;  /* the client wants to hear of modseqs (RFC 7162) */
	bool has_changed;   /* a row is IMAP_ROW_CHANGED */
	struct imap_range *saved; /* uids, "$" of RFC 5182; ascending */
	size_t n_saved;
	struct imap_pick *saved_picks; /* what it means now */
};

void imap_view_init(struct imap_view *v, const uint8_t seed[MAP_SEED]);
void imap_view_deinit(struct imap_view *v);

/* A new row, or new flags of a known one. IMAP_VIEW_*, or -ENOMEM. */
int imap_view_add(struct imap_view *v, const struct imap_entry *e);
/* The client must hear of it: IMAP_ROW_TELL or IMAP_ROW_TELL_MODSEQ. */
void imap_view_tell(struct imap_view *v, struct imap_row *row, uint8_t what);
/* It has heard, or is hearing now. */
void imap_view_told(struct imap_view *v, struct imap_row *row);
void imap_view_gone(struct imap_view *v, uint32_t lo, uint32_t hi);
/* The number of a set of keywords, 0 or more; -ENOMEM; and
 * -ENOSPC when there are too many. */
int imap_view_set(struct imap_view *v, struct slice keywords);

/* Index of the first row with that uid or a greater one; n when none. */
size_t imap_view_find(const struct imap_view *v, uint32_t uid);
size_t imap_view_count_recent(const struct imap_view *v);

/* What the client means by `set`. False: a sequence number that is not there
 * (BAD), or the arena ran out (in->is_too_much). _clipped: numbers that are not
 * there are nobody's, as a search wants it (RFC 7377, 2). */
bool imap_view_pick_clipped(const struct imap_view *v, struct arena *arena,
    const struct imap_set *set, bool is_uid, struct imap_picks *ret);
bool imap_view_pick(const struct imap_view *v, struct arena *arena,
    const struct imap_set *set, bool is_uid, struct imap_picks *ret);
/* "$" means these from now on; takes the allocated ranges, also when it fails:
 * then "$" means nothing. False: no memory. */
bool imap_view_save(struct imap_view *v, struct imap_range *uids, size_t n);
/* Of the rows those that PARTIAL means (RFC 9394, 3.3). */
void imap_picks_keep(struct imap_picks *p, const struct imap_partial *partial);
bool imap_picks_have(const struct imap_picks *p, size_t index);

/* The flags the row would have after a STORE; a set number < 0 on trouble. */
int imap_view_apply(struct imap_view *v, struct imap_row *row, int mode,
    const struct imap_flags *flags);

/* Takes out rows that are gone, from *at (an index) on, and says for each the
 * number by which the client knows it: 0 when no more is left. Call until it
 * gives 0, then the view is whole again. */
struct imap_expunge {
	size_t from, to; /* zeroed at first */
	uint32_t uid;    /* of the row whose number was given last */
};
uint32_t imap_view_expunge(struct imap_view *v, struct imap_expunge *cursor);

#endif
