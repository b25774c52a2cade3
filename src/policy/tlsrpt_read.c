/* SPDX-License-Identifier: ISC */
#include "policy/tlsrpt_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <zlib.h>

#include "base/arena.h"
#include "mail/encode.h"
#include "mail/mime.h"

struct reading {
	void (*each)(void *ctx, const struct tlsrpt_line *line);
	void *ctx;
	struct arena arena; /* of the texts of one line */
	size_t n;
};

enum {
	TEXTS_MAX = 64 * 1024,
	TEXT_MAX = 1000
};

/* -- what is in it --------------------------------------------------------- */

/* Without controls, cut; empty when it is no text. */
static struct slice
text_of(struct reading *r, const json_t *at, const char *name)
{
	const json_t *value = json_object_get(at, name);
	struct slice text = slice_of(json_string_value(value),
			 json_string_length(value)),
		     kept = { 0 };

	text = slice_upto(text, TEXT_MAX);
	if (value == NULL || !arena_copy(&r->arena, text, &kept))
		return (struct slice){ 0 };
	for (size_t i = 0; i < kept.len; i++) {
		uint8_t *c = (uint8_t *)(uintptr_t)&kept.at[i];

		if (*c < 0x20 || *c == 0x7f)
			*c = ' ';
	}
	return kept;
}

static uint64_t
number_of(const json_t *at, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(at, name));

	return n < 0 ? 0 : (uint64_t)n;
}

static void
tell(struct reading *r, const struct tlsrpt_line *line)
{
	if (r->n++ < TLSRPT_LINES_MAX)
		r->each(r->ctx, line);
}

static void
read_failure(struct reading *r, struct tlsrpt_line line, const json_t *f)
{
	line.result = text_of(r, f, "result-type");
	line.mx = text_of(r, f, "receiving-mx-hostname");
	line.remote = text_of(r, f, "receiving-ip");
	line.local = text_of(r, f, "sending-mta-ip");
	line.reason = text_of(r, f, "failure-reason-code");
	line.good = 0;
	line.bad = number_of(f, "failed-session-count");
	tell(r, &line);
}

static void
read_head(struct reading *r, const json_t *report, struct tlsrpt_line *line)
{
	const json_t *range = json_object_get(report, "date-range");

	line->organization = text_of(r, report, "organization-name");
	line->contact = text_of(r, report, "contact-info");
	line->id = text_of(r, report, "report-id");
	line->begin = text_of(r, range, "start-datetime");
	line->end = text_of(r, range, "end-datetime");
}

static void
read_policy(struct reading *r, const json_t *report, const json_t *policy)
{
	const json_t *about = json_object_get(policy, "policy");
	const json_t *sums = json_object_get(policy, "summary");
	const json_t *failures = json_object_get(policy, "failure-details");
	struct tlsrpt_line line = { 0 };
	size_t n = json_array_size(failures);

	arena_reset(&r->arena);
	read_head(r, report, &line);
	line.kind = text_of(r, about, "policy-type");
	line.domain = text_of(r, about, "policy-domain");
	line.good = number_of(sums, "total-successful-session-count");
	line.bad = number_of(sums, "total-failure-session-count");
	tell(r, &line);
	for (size_t i = 0; i < n && r->n < TLSRPT_LINES_MAX; i++) {
		arena_reset(&r->arena);
		read_head(r, report, &line);
		line.kind = text_of(r, about, "policy-type");
		line.domain = text_of(r, about, "policy-domain");
		read_failure(r, line, json_array_get(failures, i));
	}
}

static int
read_json(struct reading *r, struct slice text, const char **ret_why)
{
	json_t *report = json_loadb((const char *)text.at, text.len,
	    JSON_REJECT_DUPLICATES, NULL);
	const json_t *policies = json_object_get(report, "policies");
	int result = json_is_array(policies) ? 0 : 1;

	for (size_t i = 0; i < json_array_size(policies); i++)
		read_policy(r, report, json_array_get(policies, i));
	if (report == NULL)
		*ret_why = "it is not JSON";
	else if (result != 0)
		*ret_why = "it has no policies";
	json_decref(report);
	return result;
}

/* -- what it is packed in -------------------------------------------------- */

static bool
is_gzip(struct slice s)
{
	return s.len > 2 && s.at[0] == 0x1f && s.at[1] == 0x8b;
}

/* One member, as a whole and not too large. */
static bool
gunzip(struct slice in, struct buf *out)
{
	z_stream z = { 0 };
	int r = Z_OK;

	if (inflateInit2(&z, MAX_WBITS + 16) != Z_OK)
		return false;
	z.next_in = (Bytef *)(uintptr_t)in.at;
	z.avail_in = (uInt)in.len;
	while (r == Z_OK) {
		uint8_t *at;

		if (buf_reserve(out, 65536, &at) != BUF_OK)
			break;
		z.next_out = at;
		z.avail_out = 65536;
		r = inflate(&z, Z_NO_FLUSH);
		if (r == Z_OK || r == Z_STREAM_END)
			buf_grew(out, 65536 - z.avail_out);
		if (r == Z_OK && z.avail_in == 0 && z.avail_out > 0)
			break; /* it ends early */
	}
	(void)inflateEnd(&z);
	return r == Z_STREAM_END;
}

static int
read_packed(struct reading *r, struct slice text, const char **ret_why)
{
	struct buf open;
	int result = 1;

	if (!is_gzip(text))
		return read_json(r, text, ret_why);
	buf_init(&open, TLSRPT_JSON_MAX);
	if (gunzip(text, &open))
		result = read_json(r, buf_slice(&open), ret_why);
	else
		*ret_why = "what is compressed is broken, or too large";
	buf_deinit(&open);
	return result;
}

/* application/tlsrpt+gzip or +json (5.3). */
static const struct mime_part *
find_part(const struct mime_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];

		if (slice_equal_nocase(p->type, SLICE("application")) &&
		    (slice_equal_nocase(p->subtype, SLICE("tlsrpt+gzip")) ||
			slice_equal_nocase(p->subtype, SLICE("tlsrpt+json"))))
			return p;
	}
	return NULL;
}

static int
read_part(struct reading *r, const struct mime_part *p, struct slice body,
    const char **ret_why)
{
	struct decoder decoder;
	struct buf plain;
	int result;

	buf_init(&plain, TLSRPT_FILE_MAX + 1024);
	decoder_init(&decoder, encoding_of(p->encoding));
	result = decoder_feed(&decoder, body, &plain);
	if (result == BUF_OK)
		result = decoder_end(&decoder, &plain);
	if (result == BUF_OK) {
		result = read_packed(r, buf_slice(&plain), ret_why);
	} else if (result > 0) {
		*ret_why = "its part is too large";
		result = 1;
	}
	buf_deinit(&plain);
	return result;
}

static int
read_mail(struct reading *r, struct slice mail, const char **ret_why)
{
	const struct mime_part *p = NULL;
	struct mime_tree tree;
	struct arena arena;
	int result = 1;

	arena_init(&arena, MIME_MEMORY);
	*ret_why = "it is neither a report nor a mail with one";
	if (!mime_parse(mail, &arena, &tree))
		result = -ENOMEM;
	else
		p = find_part(&tree);
	if (p != NULL)
		result = read_part(r, p,
		    slice_upto(slice_from(mail, p->offset + p->header_len),
			p->body_len),
		    ret_why);
	arena_reset(&arena);
	return result;
}

int
tlsrpt_read(struct slice file,
    void (*each)(void *ctx, const struct tlsrpt_line *line), void *ctx,
    const char **ret_why)
{
	struct reading r = { .each = each, .ctx = ctx };
	struct slice text = slice_trim(file);
	int result = 1;

	*ret_why = "it is too large";
	arena_init(&r.arena, TEXTS_MAX);
	if (file.len <= TLSRPT_FILE_MAX)
		result = is_gzip(file) || (text.len > 0 && text.at[0] == '{')
		    ? read_packed(&r, file, ret_why)
		    : read_mail(&r, file, ret_why);
	arena_reset(&r.arena);
	return result;
}
