/* SPDX-License-Identifier: ISC */
/*
 * config/settings_table - the one table of settings, and what its rows are
 *
 * settings_table.c holds the rows; settings_value.c turns text into values and
 * back by kind; settings.c walks the file; settings_man.c writes the manual.
 * A new setting is one member in struct settings and one row in the table.
 */
#ifndef CONFIG_SETTINGS_TABLE_H
#define CONFIG_SETTINGS_TABLE_H

#include "config/settings.h"
#include "config/toml.h"

enum settings_kind {
	KIND_HOST,       /* a domain name, ASCII */
	KIND_PATH,       /* absolute */
	KIND_TEXT,       /* one line, or an array of lines */
	KIND_ADDRESS,    /* an IP address, or empty */
	KIND_NETWORKS,   /* one a line, base/ip.h */
	KIND_MECHANISMS, /* names of sasl/mechanism.h, or empty */
	KIND_EXTENSIONS, /* smtp/param.h, one a line */
	KIND_BOOL,
	KIND_COUNT,    /* uint32_t */
	KIND_PERCENT,  /* uint32_t */
	KIND_PORT,     /* uint16_t */
	KIND_SIZE,     /* uint64_t, bytes */
	KIND_DURATION, /* int64_t, microseconds */
	KIND_LEVEL,    /* uint8_t */
	KIND_TOLD,     /* uint8_t, enum smtp_told */
	KIND_INDEX,    /* uint8_t, enum search_index */
	KIND_FAMILIES, /* uint8_t, enum route_families */
	KIND_MINIMUM,  /* uint8_t, enum tls_minimum */
	N_KINDS
};

struct settings_key {
	const char *section, *name;
	enum settings_kind kind;
	size_t offset, size; /* the member of struct settings */
	const char *preset;  /* its default, written as in the file without
			      * quotes; NULL: must be given */
	int64_t min, max;    /* of numbers */
	bool is_test;
	const char *sentence;
};

extern const struct settings_key settings_keys[];
extern const size_t settings_keys_n;

/* Writes the value at its place in *s. Otherwise false and a text that says
 * what is wrong, without the key's name. */
bool settings_value_read(const struct settings_key *key,
    const struct toml_node *node, struct settings *s, char *err, size_t size);
/* The same from the text of a default. */
bool settings_value_preset(const struct settings_key *key, struct settings *s);

bool settings_duration_parse(struct slice s, int64_t *ret_us);
bool settings_size_parse(struct slice s, uint64_t *ret);
int settings_number_print(enum settings_kind kind, int64_t value,
    struct buf *out);
/* family, address */
bool settings_address_parse(struct slice s, struct settings_listener *ret);

struct settings_table_error {
	const uint8_t *at;
	char text[SETTINGS_ERROR];
};
/* One [[listener]], of which an array of addresses makes several. */
bool settings_listener_read(const struct toml_node *table, uint32_t line,
    struct settings *s, struct settings_table_error *err);
/* One [[hook]] at the end of s->hooks (line is the caller's), or false. */
bool settings_hook_read(const struct toml_node *table, struct settings *s,
    struct settings_table_error *err);

#endif
