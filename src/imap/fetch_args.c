/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/limits.h"
#include "imap/command.h"
#include "imap/quote.h"

enum {
	ITEMS_MAX = 256, /* fetch-atts in one command */
	FIELDS_MAX = 1024
};

struct word {
	const char *name;
	struct imap_fetch_item item;
};

/* fetch-att, the longest of those that begin alike first. */
static const struct word words[] = {
	{ "ENVELOPE", { .what = IMAP_ITEM_ENVELOPE } },
	{ "FLAGS", { .what = IMAP_ITEM_FLAGS } },
	{ "INTERNALDATE", { .what = IMAP_ITEM_INTERNALDATE } },
	{ "RFC822.HEADER",
	    { .what = IMAP_ITEM_SECTION,
		.kind = IMAP_PART_HEADER,
		.label = "RFC822.HEADER" } },
	{ "RFC822.SIZE", { .what = IMAP_ITEM_SIZE } },
	{ "RFC822.TEXT",
	    { .what = IMAP_ITEM_SECTION,
		.kind = IMAP_PART_TEXT,
		.label = "RFC822.TEXT",
		.sets_seen = true } },
	{ "RFC822",
	    { .what = IMAP_ITEM_SECTION,
		.label = "RFC822",
		.sets_seen = true } },
	{ "BODYSTRUCTURE", { .what = IMAP_ITEM_BODYSTRUCTURE } },
	{ "UID", { .what = IMAP_ITEM_UID } },
	{ "MODSEQ", { .what = IMAP_ITEM_MODSEQ } },
	{ "SAVEDATE", { .what = IMAP_ITEM_SAVEDATE } },
	{ "EMAILID", { .what = IMAP_ITEM_EMAILID } },
	{ "THREADID", { .what = IMAP_ITEM_THREADID } },
	{ "PREVIEW", { .what = IMAP_ITEM_PREVIEW } },
};

/* nz-number *("." nz-number), and a "." before the text that may follow */
static bool
take_path(struct imap_in *in, struct imap_fetch_item *item, bool *ret_more)
{
	uint32_t path[LIMIT_IMAP_NESTING];
	struct slice rest = in->rest;
	uint64_t n;

	*ret_more = true;
	while (rest.len > 0 && ascii_is_digit(rest.at[0])) {
		if (item->n_path == LIMIT_IMAP_NESTING) {
			in->is_too_much = true;
			return false;
		}
		if (rest.at[0] == '0' || !slice_take_u64(&rest, UINT32_MAX, &n))
			return false;
		path[item->n_path++] = (uint32_t)n;
		*ret_more = slice_skip_byte(&rest, '.');
		if (!*ret_more)
			break;
	}
	item->path = arena_array(in->arena, item->n_path + 1, sizeof(uint32_t));
	if (item->path == NULL) {
		in->is_too_much = true;
		return false;
	}
	memcpy(item->path, path, item->n_path * sizeof(uint32_t));
	in->rest = rest;
	return true;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static bool
take_fields(struct imap_in *in, struct imap_fetch_item *item)
{
	struct imap_in count = *in;
	struct slice name;

	if (!imap_skip_sp(in) || !slice_skip_byte(&in->rest, '('))
		return false;
	count.rest = in->rest;
	do {
		if (!imap_take_astring(&count, &name))
			return false;
		item->n_fields++;
	} while (imap_skip_sp(&count));
	if (item->n_fields > FIELDS_MAX) {
		in->is_too_much = true;
		return false;
	}
	item->fields =
	    arena_array(in->arena, item->n_fields, sizeof(*item->fields));
	if (item->fields == NULL) {
		in->is_too_much = true;
		return false;
	}
	for (size_t i = 0; i < item->n_fields; i++) {
		if (!imap_take_astring(in, &item->fields[i]))
			return false;
		(void)imap_skip_sp(in);
	}
	return slice_skip_byte(&in->rest, ')');
}

/* section-text = "HEADER" / "HEADER.FIELDS" [".NOT"] SP header-list / "TEXT" /
 * "MIME" (only below a part) */
static bool
take_section_text(struct imap_in *in, struct imap_fetch_item *item)
{
	if (imap_skip_word(in, SLICE("HEADER.FIELDS.NOT"))) {
		item->kind = IMAP_PART_FIELDS_NOT;
		return take_fields(in, item);
	}
	if (imap_skip_word(in, SLICE("HEADER.FIELDS"))) {
		item->kind = IMAP_PART_FIELDS;
		return take_fields(in, item);
	}
	if (imap_skip_word(in, SLICE("HEADER"))) {
		item->kind = IMAP_PART_HEADER;
		return true;
	}
	if (imap_skip_word(in, SLICE("TEXT"))) {
		item->kind = IMAP_PART_TEXT;
		return true;
	}
	item->kind = IMAP_PART_MIME;
	return item->n_path > 0 && imap_skip_word(in, SLICE("MIME"));
}

/* "<" number "." nz-number ">"; with BINARY the end may be missing, which
 * older clients know from elsewhere. */
static bool
take_partial(struct imap_in *in, struct imap_fetch_item *item)
{
	if (item->what == IMAP_ITEM_BINARY_SIZE ||
	    !slice_skip_byte(&in->rest, '<'))
		return true;
	item->has_partial = true;
	if (!imap_take_number(in, &item->offset))
		return false;
	if (item->what == IMAP_ITEM_BINARY && slice_skip_byte(&in->rest, '>')) {
		item->length = UINT32_MAX;
		return true;
	}
	return slice_skip_byte(&in->rest, '.') &&
	    imap_take_number(in, &item->length) && item->length > 0 &&
	    slice_skip_byte(&in->rest, '>');
}

/* [section-spec] "]" [partial]; section-binary has no text behind its part
 * numbers, but what BODY[...] takes does no harm here. */
bool
imap_take_section(struct imap_in *in, struct imap_fetch_item *item)
{
	bool more;

	if (!slice_skip_byte(&in->rest, ']')) {
		if (!take_path(in, item, &more))
			return false;
		if (more && !take_section_text(in, item))
			return false;
		if (!slice_skip_byte(&in->rest, ']'))
			return false;
	}
	return take_partial(in, item);
}

static const struct {
	const char *begin;
	enum imap_item what;
	bool sets_seen;
} sections[] = {
	{ "BODY[", IMAP_ITEM_SECTION, true },
	{ "BODY.PEEK[", IMAP_ITEM_SECTION, false },
	{ "BINARY[", IMAP_ITEM_BINARY, true },
	{ "BINARY.PEEK[", IMAP_ITEM_BINARY, false },
	{ "BINARY.SIZE[", IMAP_ITEM_BINARY_SIZE, false },
};

/* "PREVIEW" [SP "(" "LAZY" ")"]; what is in other parentheses is not its. */
static void
take_lazy(struct imap_in *in, struct imap_fetch_item *item)
{
	struct imap_in ahead = *in;

	if (!imap_skip_sp(&ahead) || !slice_skip_byte(&ahead.rest, '(') ||
	    !imap_skip_word(&ahead, SLICE("LAZY")) ||
	    !slice_skip_byte(&ahead.rest, ')'))
		return;
	item->is_lazy = true;
	in->rest = ahead.rest;
}

static bool
take_item(struct imap_in *in, struct imap_fetch_item *item)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (imap_skip_word(in, slice_cstr(words[i].name))) {
			*item = words[i].item;
			if (item->what == IMAP_ITEM_PREVIEW)
				take_lazy(in, item);
			return true;
		}
	memset(item, 0, sizeof(*item));
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		if (slice_skip_nocase(&in->rest,
			slice_cstr(sections[i].begin))) {
			item->what = sections[i].what;
			item->sets_seen = sections[i].sets_seen;
			return imap_take_section(in, item);
		}
	item->what = IMAP_ITEM_BODY;
	return imap_skip_word(in, SLICE("BODY"));
}

/* "ALL" / "FULL" / "FAST", only alone */
static bool
take_macro(struct imap_in *in, struct imap_fetch_args *args)
{
	static const enum imap_item full[] = { IMAP_ITEM_FLAGS,
		IMAP_ITEM_INTERNALDATE, IMAP_ITEM_SIZE, IMAP_ITEM_ENVELOPE,
		IMAP_ITEM_BODY };

	args->n = imap_skip_word(in, SLICE("FAST")) ? 3
	    : imap_skip_word(in, SLICE("ALL"))      ? 4
	    : imap_skip_word(in, SLICE("FULL"))     ? 5
						    : 0;
	for (size_t i = 0; i < args->n; i++)
		args->items[i].what = full[i];
	return args->n > 0;
}

static bool
take_items(struct imap_in *in, struct imap_fetch_args *args)
{
	bool has_parens;

	if (take_macro(in, args))
		return true;
	has_parens = slice_skip_byte(&in->rest, '(');
	do {
		if (args->n == ITEMS_MAX) {
			in->is_too_much = true;
			return false;
		}
		if (!take_item(in, &args->items[args->n]))
			return false;
		args->n++;
	} while (has_parens && imap_skip_sp(in));
	return !has_parens || slice_skip_byte(&in->rest, ')');
}

/* UID FETCH always answers with the UID (6.4.8). */
static bool
has_item(const struct imap_fetch_args *args, enum imap_item what)
{
	for (size_t i = 0; i < args->n; i++)
		if (args->items[i].what == what)
			return true;
	return false;
}

static void
add_uid(struct imap_fetch_args *args)
{
	if (has_item(args, IMAP_ITEM_UID))
		return;
	memmove(&args->items[1], &args->items[0],
	    args->n * sizeof(args->items[0]));
	args->items[0] = (struct imap_fetch_item){ .what = IMAP_ITEM_UID };
	args->n++;
}

/* CHANGEDSINCE always answers with the modseq (RFC 7162, 3.1.4.1). */
static void
add_modseq(struct imap_fetch_args *args)
{
	if (!has_item(args, IMAP_ITEM_MODSEQ))
		args->items[args->n++] =
		    (struct imap_fetch_item){ .what = IMAP_ITEM_MODSEQ };
}

bool
imap_take_fetch_atts(struct imap_in *in, struct imap_fetch_args *ret)
{
	*ret = (struct imap_fetch_args){ NULL, 0 };
	ret->items = arena_array(in->arena, ITEMS_MAX + 3, sizeof(*ret->items));
	if (ret->items == NULL) {
		in->is_too_much = true;
		return false;
	}
	return in->rest.len > 0 && in->rest.at[0] == '(' && take_items(in, ret);
}

/* fetch = "FETCH" SP sequence-set SP ("ALL" / "FULL" / "FAST" / fetch-att /
 * "(" fetch-att *(SP fetch-att) ")") [SP fetch-modifiers] */
int
imap_fetch_args(struct imap_in *in, struct imap_command *ret)
{
	struct imap_fetch_args args = { NULL, 0 };
	size_t room = 8; /* not more items than spaces, and their brackets */

	for (size_t i = 0; i < in->rest.len && room <= ITEMS_MAX + 2; i++)
		room += in->rest.at[i] == ' ';
	room = room < ITEMS_MAX + 3 ? room : ITEMS_MAX + 3;
	args.items = arena_array(in->arena, room, sizeof(*args.items));
	if (args.items == NULL) {
		in->is_too_much = true;
		return IMAP_COMMAND_TOO_MUCH;
	}
	if (!imap_skip_sp(in) || !imap_take_set(in, &ret->set) ||
	    !imap_skip_sp(in) || !take_items(in, &args) ||
	    (!imap_is_end(in) &&
		(!imap_skip_sp(in) || !imap_take_fetch_modifiers(in, ret))) ||
	    !imap_is_end(in))
		return in->is_too_much ? IMAP_COMMAND_TOO_MUCH
				       : IMAP_COMMAND_BAD;
	if (ret->is_uid)
		add_uid(&args);
	if (ret->sync.has_since)
		add_modseq(&args);
	ret->fetch = args;
	return IMAP_COMMAND_OK;
}
