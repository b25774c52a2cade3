/* SPDX-License-Identifier: ISC */
/*
 * store/recover - what a start makes of the segments it finds
 *
 * The rows are the truth: a record without one was never acknowledged and is
 * garbage. So nothing is searched and nothing re-imported. The last segment is
 * gone on with where the rows end. A file that no row knows and that has no
 * authentic header was being written when we died: it is removed. One with a
 * header is left for `ulak verify` to tell of: after a restored backup it may
 * be mail that is younger than the database.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/store_impl.h"

struct scan {
	struct store *s;
	uint64_t highest;
	uint64_t *unknown;
	size_t n_unknown, size;
	int r;
};

/* "0000000000000001.seg" */
bool
store_segment_number(const char *name, uint64_t *ret)
{
	struct slice s = slice_cstr(name);

	return s.len == 20 && slice_ends(s, SLICE(".seg")) &&
	    slice_to_u64(slice_upto(s, 16), UINT64_C(9999999999999999), ret) &&
	    *ret > 0;
}

static int
note_unknown(struct scan *scan, uint64_t number)
{
	if (scan->n_unknown == scan->size) {
		size_t size = scan->size == 0 ? 64 : scan->size * 2;
		uint64_t *at =
		    realloc(scan->unknown, size * sizeof(*scan->unknown));

		if (at == NULL)
			return ERR_ORIGIN(-ENOMEM);
		scan->unknown = at;
		scan->size = size;
	}
	scan->unknown[scan->n_unknown++] = number;
	return 0;
}

static int
on_name(void *ctx, const char *name)
{
	struct scan *scan = ctx;
	struct q_segment_get row;
	uint64_t number;
	int r;

	if (!store_segment_number(name, &number))
		return 0;
	if (number > scan->highest)
		scan->highest = number;
	r = DB_ONE(segment_get, scan->s->writer, &row, .segment = number);
	if (r == DB_NONE)
		r = note_unknown(scan, number);
	return r;
}

/* Whether the file begins with a record of ours. */
static bool
has_record(struct store *s, uint64_t number)
{
	uint8_t head[SEGMENT_HEADER];
	struct segment_header h;
	uint8_t *envelope;
	bool is_ours = false;

	if (segment_read(s, number, 0, head, sizeof(head)) != 0 ||
	    segment_header_peek(head, &h) != SEGMENT_OK)
		return false;
	envelope = malloc(h.envelope_len + 1u);
	if (envelope == NULL)
		return true;
	if (segment_read(s, number, sizeof(head), envelope, h.envelope_len) ==
	    0)
		is_ours = segment_header_decode(head,
			      slice_of(envelope, h.envelope_len), s->key,
			      &h) == SEGMENT_OK;
	free(envelope);
	return is_ours;
}

static void
remove_unfinished(struct scan *scan)
{
	char path[SEGMENT_PATH];

	for (size_t i = 0; i < scan->n_unknown; i++) {
		if (has_record(scan->s, scan->unknown[i]))
			continue;
		store_segment_forget(scan->s, scan->unknown[i]);
		segment_path(scan->unknown[i], path);
		(void)env_dir_unlink(scan->s->dir, path);
	}
}

/* Where appending goes on: behind the last record that a row names, if that
 * file is there and long enough to be what it says. */
static int
find_tail(struct store *s, struct appender_options *ret)
{
	struct q_segment_last last;
	struct env_file *f;
	char path[SEGMENT_PATH];
	uint64_t size = 0;
	int r = DB_ONE(segment_last, s->writer, &last);

	if (r == DB_NONE)
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	segment_path(last.segment, path);
	if (env_file_open(s->dir, path, ENV_FILE_READ, &f) != 0)
		return 0;
	r = env_file_size(f, &size);
	env_file_close(f);
	if (r == 0 && size >= last.committed) {
		ret->segment = last.segment;
		ret->offset = last.committed;
	}
	return 0;
}

int
store_recover(struct store *s, struct appender_options *ret)
{
	struct scan scan = { .s = s };
	struct q_segment_highest known;
	int r = env_dir_list(s->dir, "segments", on_name, &scan);

	if (r == 0)
		r = DB_ONE(segment_highest, s->writer, &known);
	if (r == 0 && known.segment > scan.highest)
		scan.highest = known.segment;
	if (r == DB_NONE)
		r = 0;
	if (r == 0) {
		remove_unfinished(&scan);
		r = find_tail(s, ret);
	}
	ret->next_segment = scan.highest + 1;
	free(scan.unknown);
	return r < 0 ? ERR_TRACE(r) : r;
}
