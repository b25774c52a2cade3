/* SPDX-License-Identifier: ISC */
#include "hook/http.h"

static size_t
bad(struct http_reply *h, const char *why)
{
	h->state = HTTP_BAD;
	h->why = why;
	return 0;
}

/* token = 1*tchar (RFC 9110, 5.6.2) */
static bool
is_token(uint8_t c)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	if (ascii_is_alnum(c))
		return true;
	return c != '\0' && slice_find_byte(slice_cstr(others), c) != SIZE_MAX;
}

/* HTTP-version SP status-code SP [ reason ] (RFC 9112, 4) */
static void
on_status(struct http_reply *h, struct slice line)
{
	struct slice digits;
	uint64_t code;

	if (!slice_skip(&line, SLICE("HTTP/1.")) || line.len < 1 ||
	    !ascii_is_digit(line.at[0])) {
		(void)bad(h, "no HTTP/1.x response");
		return;
	}
	line = slice_from(line, 1);
	if (!slice_skip_byte(&line, ' ') || !slice_take(&line, 3, &digits) ||
	    !slice_to_u64(digits, 599, &code) || code < 100 ||
	    (line.len > 0 && line.at[0] != ' ')) {
		(void)bad(h, "status line is malformed");
		return;
	}
	h->code = (uint16_t)code;
	h->state = HTTP_FIELDS;
}

static void
on_length(struct http_reply *h, struct slice value)
{
	uint64_t n;

	if (h->has_length || !slice_to_u64(value, LIMIT_HTTP_CONTENT, &n)) {
		(void)bad(h,
		    "Content-Length is doubled, malformed or too much");
		return;
	}
	h->has_length = true;
	h->left = n;
}

static void
on_encoding(struct http_reply *h, struct slice value)
{
	if (h->is_chunked || !slice_equal_nocase(value, SLICE("chunked")))
		(void)bad(h, "Transfer-Encoding is not chunked");
	h->is_chunked = true;
}

static void
on_content_encoding(struct http_reply *h, struct slice value)
{
	if (!slice_equal_nocase(value, SLICE("identity")))
		(void)bad(h, "content is encoded");
}

static const struct {
	struct slice name;
	void (*run)(struct http_reply *h, struct slice value);
} fields[] = {
	{ { (const uint8_t *)"Content-Length", 14 }, on_length },
	{ { (const uint8_t *)"Transfer-Encoding", 17 }, on_encoding },
	{ { (const uint8_t *)"Content-Encoding", 16 }, on_content_encoding },
};

/* RFC 9112, 6.3 */
static void
on_head_end(struct http_reply *h)
{
	if (h->code < 200) {
		if (h->has_length || h->is_chunked)
			(void)bad(h, "an interim response has content");
		h->state = h->state == HTTP_BAD ? HTTP_BAD : HTTP_STATUS;
	} else if (h->is_chunked && h->has_length) {
		(void)bad(h, "both a length and chunks");
	} else if (h->code == 204 || h->code == 304) {
		h->state = HTTP_DONE;
	} else if (h->is_chunked) {
		h->state = HTTP_SIZE;
	} else if (h->has_length) {
		h->state = h->left == 0 ? HTTP_DONE : HTTP_CONTENT;
	} else {
		h->state = HTTP_TO_END;
	}
}

static void
on_field(struct http_reply *h, struct slice line)
{
	struct slice name;

	if (line.len == 0) {
		on_head_end(h);
		return;
	}
	if (!slice_take_while(&line, is_token, &name) ||
	    !slice_skip_byte(&line, ':')) {
		(void)bad(h, "header field is malformed");
		return;
	}
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (slice_equal_nocase(name, fields[i].name))
			fields[i].run(h, slice_trim(line));
}

/* chunk-size [ chunk-ext ] (RFC 9112, 7.1) */
static void
on_size(struct http_reply *h, struct slice line)
{
	uint64_t n = 0;
	size_t i = 0;

	for (; i < line.len && i < 8; i++) {
		uint8_t c = ascii_lower(line.at[i]);

		if (ascii_is_digit(c))
			n = n << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uint64_t)(c - 'a' + 10);
		else
			break;
	}
	if (i == 0 ||
	    (i < line.len && line.at[i] != ';' &&
		!ascii_is_space(line.at[i])) ||
	    n > LIMIT_HTTP_CONTENT - h->content) {
		(void)bad(h, "chunk size is malformed or too much");
		return;
	}
	h->left = n;
	h->state = n == 0 ? HTTP_TRAILERS : HTTP_CHUNK;
}

static void
on_chunk_end(struct http_reply *h, struct slice line)
{
	if (line.len != 0)
		(void)bad(h, "chunk is longer than its size");
	else
		h->state = HTTP_SIZE;
}

static void
on_trailer(struct http_reply *h, struct slice line)
{
	if (line.len == 0)
		h->state = HTTP_DONE;
}

static size_t
step_line(struct http_reply *h, struct slice in)
{
	static void (*const run[])(struct http_reply *, struct slice) = {
		[HTTP_STATUS] = on_status,
		[HTTP_FIELDS] = on_field,
		[HTTP_SIZE] = on_size,
		[HTTP_CHUNK_END] = on_chunk_end,
		[HTTP_TRAILERS] = on_trailer,
	};
	struct slice rest = in, line;

	if (!slice_take_crlf_line(&rest, &line)) {
		if (in.len > LIMIT_HTTP_LINE)
			return bad(h, "line is too long");
		return 0;
	}
	if (line.len > LIMIT_HTTP_LINE ||
	    slice_find_byte(line, '\n') != SIZE_MAX ||
	    slice_find_byte(line, '\0') != SIZE_MAX)
		return bad(h, "line is too long or malformed");
	h->head += line.len + 2;
	if (h->state != HTTP_SIZE && h->state != HTTP_CHUNK_END &&
	    h->head > LIMIT_HTTP_HEAD)
		return bad(h, "header is too long");
	run[h->state](h, line);
	return h->state == HTTP_BAD ? 0 : in.len - rest.len;
}

static size_t
step_content(struct http_reply *h, struct slice in, struct slice *ret)
{
	struct slice part = in;

	if (h->state != HTTP_TO_END)
		part =
		    slice_upto(in, h->left < in.len ? (size_t)h->left : in.len);
	if (part.len > LIMIT_HTTP_CONTENT - h->content)
		return bad(h, "content is too long");
	h->content += part.len;
	*ret = part;
	if (h->state == HTTP_TO_END)
		return part.len;
	h->left -= part.len;
	if (h->left == 0)
		h->state = h->state == HTTP_CHUNK ? HTTP_CHUNK_END : HTTP_DONE;
	return part.len;
}

size_t
http_step(struct http_reply *h, struct slice in, struct slice *ret_content)
{
	*ret_content = (struct slice){ 0 };
	switch ((enum http_state)h->state) {
	case HTTP_DONE:
	case HTTP_BAD:
		return 0;
	case HTTP_CONTENT:
	case HTTP_CHUNK:
	case HTTP_TO_END:
		return step_content(h, in, ret_content);
	default:
		return step_line(h, in);
	}
}

bool
http_end(struct http_reply *h)
{
	if (h->state == HTTP_TO_END)
		h->state = HTTP_DONE;
	else if (h->state != HTTP_DONE && h->state != HTTP_BAD)
		(void)bad(h, "ends in the middle");
	return h->state == HTTP_DONE;
}
