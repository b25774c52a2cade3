/* SPDX-License-Identifier: ISC */
#include "hook/scan.h"

/* -- Rspamd ---------------------------------------------------------------- */

static bool
is_field_octet(uint8_t c)
{
	return c >= ' ' && c != 0x7f;
}

static bool
is_value(struct slice s)
{
	struct slice run;

	return slice_take_while(&s, is_field_octet, &run) && s.len == 0;
}

/* Empty ones are left out, too. */
static void
put_field(struct buf *out, const char *name, struct slice value)
{
	if (!is_value(value))
		return;
	(void)buf_add_cstr(out, name);
	(void)buf_add(out, SLICE(": "));
	(void)buf_add(out, value);
	(void)buf_add(out, SLICE("\r\n"));
}

int
rspamd_request_print(const struct rspamd_request *r, struct buf *out)
{
	const struct {
		const char *name;
		struct slice value;
	} rows[] = { { "Host", r->host }, { "Queue-Id", r->id },
		{ "MTA-Name", r->mta }, { "IP", r->ip },
		{ "Hostname", r->rdns }, { "Helo", r->helo },
		{ "From", r->from }, { "User", r->user },
		{ "TLS-Version", r->tls_version },
		{ "TLS-Cipher", r->cipher } };

	(void)buf_add(out, SLICE("POST /checkv2 HTTP/1.1\r\n"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		put_field(out, rows[i].name, rows[i].value);
	for (size_t i = 0; i < r->n_rcpts; i++)
		put_field(out, "Rcpt", r->rcpts[i]);
	(void)buf_add(out, SLICE("Connection: close\r\n"));
	(void)buf_printf(out, "Content-Length: %llu\r\n\r\n",
	    (unsigned long long)r->size);
	return out->lost ? BUF_E_FULL : BUF_OK;
}

/* -- clamd ----------------------------------------------------------------- */

int
clamd_begin_print(struct buf *out)
{
	/* with the NUL that "z" commands and their answers end in */
	return buf_add(out, slice_of("zINSTREAM", sizeof("zINSTREAM")));
}

static int
put_length(struct buf *out, size_t n)
{
	uint8_t head[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	return buf_add(out, slice_of(head, sizeof(head)));
}

int
clamd_chunk_print(struct slice part, struct buf *out)
{
	int r;

	if (buf_room(out) < part.len + 4)
		return BUF_E_FULL;
	r = put_length(out, part.len);
	return r == BUF_OK ? buf_add(out, part) : r;
}

int
clamd_end_print(struct buf *out)
{
	return put_length(out, 0);
}

/* Signatures of third parties are named "{HEX}php.base64.185.UNOFFICIAL", and
 * clamd may add "(digest:size)"; what would end a quoted text is in none. */
static bool
is_name_octet(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* answer = "stream: " ( "OK" / name SP "FOUND" ) / text "ERROR", then NUL */
enum clamd_answer
clamd_parse(struct slice in, struct slice *ret_text)
{
	size_t end = slice_find_byte(in, '\0');
	struct slice line = slice_upto(in, end), name;

	if (end == SIZE_MAX)
		return in.len > LIMIT_HTTP_LINE ? CLAMD_BAD : CLAMD_MORE;
	if (end + 1 != in.len)
		return CLAMD_BAD;
	if (slice_equal(line, SLICE("stream: OK")))
		return CLAMD_CLEAN;
	if (slice_ends(line, SLICE("ERROR"))) {
		*ret_text = line;
		return CLAMD_ERROR;
	}
	if (!slice_skip(&line, SLICE("stream: ")) ||
	    !slice_take_while(&line, is_name_octet, &name) ||
	    !slice_equal(line, SLICE(" FOUND")) ||
	    name.len > LIMIT_SMTP_REPLY_LINE / 2)
		return CLAMD_BAD;
	*ret_text = name;
	return CLAMD_FOUND;
}
