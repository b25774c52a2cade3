/* SPDX-License-Identifier: ISC */
#include "mail/spool.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"

enum {
	SUM_BYTES = (SPOOL_SUM - 1) / 2
};

static const struct slice magic = { (const uint8_t *)"ulak-spool ", 11 };
static const struct slice suffix = { (const uint8_t *)".mail", 5 };

/* -- the envelope -----------------------------------------------------------
 */

enum kind {
	NUMBER,
	FLAG,
	TEXT
};

/* Every key once, `rcpt` as often as there are recipients. */
static const struct key {
	struct slice name;
	uint8_t kind;
	size_t offset;
	uint64_t max;
} keys[] = {
	{ SLICE("time"), NUMBER, offsetof(struct spool, time), INT64_MAX },
	{ SLICE("size"), NUMBER, offsetof(struct spool, size),
	    LIMIT_MESSAGE_SIZE_MAX },
	{ SLICE("sender"), TEXT, offsetof(struct spool, sender),
	    LIMIT_ADDRESS },
	{ SLICE("8bit"), FLAG, offsetof(struct spool, is_8bit), 1 },
	{ SLICE("utf8"), FLAG, offsetof(struct spool, is_utf8), 1 },
	{ SLICE("notify"), NUMBER, offsetof(struct spool, notify), 255 },
	{ SLICE("ret"), NUMBER, offsetof(struct spool, ret), 2 },
	{ SLICE("envid"), TEXT, offsetof(struct spool, envid), 100 },
	{ SLICE("uid"), NUMBER, offsetof(struct spool, uid), UINT32_MAX },
};
enum {
	N_KEYS = sizeof(keys) / sizeof(keys[0]),
	NEEDED = 3,      /* the first of them must be there */
	UID = N_KEYS - 1 /* is left out when there is none */
};

static bool
is_text(struct slice s, uint64_t max)
{
	if (s.len > max || !slice_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < 0x20 || s.at[i] == 0x7f)
			return false;
	return true;
}

static int
print_key(const struct spool *s, const struct key *k, struct buf *out)
{
	const char *at = (const char *)s + k->offset;
	uint64_t number = 0;
	struct slice text = { 0 };

	if (k->kind == TEXT) {
		memcpy(&text, at, sizeof(text));
		if (!is_text(text, k->max))
			return BUF_E_FULL;
		return buf_printf(out, "%.*s %.*s\n", SLICE_FMT(k->name),
		    SLICE_FMT(text));
	}
	if (k->kind == FLAG)
		number = *(const bool *)at;
	else
		memcpy(&number, at, sizeof(number));
	if (number > k->max)
		return BUF_E_FULL;
	return buf_printf(out, "%.*s %llu\n", SLICE_FMT(k->name),
	    (unsigned long long)number);
}

int
spool_head_print(const struct spool *s, struct buf *out)
{
	int r = buf_printf(out, "%.*s1\n", SLICE_FMT(magic));

	for (size_t i = 0; i < N_KEYS && r == 0; i++)
		r = i == UID && !s->has_uid ? 0 : print_key(s, &keys[i], out);
	for (size_t i = 0; i < s->n_rcpts && r == 0; i++)
		r = !is_text(s->rcpts[i], LIMIT_ADDRESS) || s->rcpts[i].len == 0
		    ? BUF_E_FULL
		    : buf_printf(out, "rcpt %.*s\n", SLICE_FMT(s->rcpts[i]));
	return r == 0 ? buf_add_byte(out, '\n') : r;
}

static bool
take_value(struct spool *s, const struct key *k, struct slice value)
{
	char *at = (char *)s + k->offset;
	uint64_t number = 0;

	if (k->kind == TEXT) {
		memcpy(at, &value, sizeof(value));
		return is_text(value, k->max);
	}
	if (!slice_to_u64(value, k->max, &number))
		return false;
	if (k->kind == FLAG)
		*(bool *)at = number != 0;
	else
		memcpy(at, &number, sizeof(number));
	return true;
}

static bool
take_line(struct spool *s, struct slice line, unsigned *seen)
{
	struct slice name;

	if (!slice_take_until(&line, ' ', &name))
		return false;
	if (slice_equal(name, SLICE("rcpt"))) {
		if (s->n_rcpts == SPOOL_RCPTS || line.len == 0 ||
		    !is_text(line, LIMIT_ADDRESS))
			return false;
		s->rcpts[s->n_rcpts++] = line;
		return true;
	}
	for (size_t i = 0; i < N_KEYS; i++)
		if (slice_equal(name, keys[i].name)) {
			if ((*seen & 1u << i) != 0)
				return false;
			*seen |= 1u << i;
			return take_value(s, &keys[i], line);
		}
	return false;
}

static int
take_version(struct slice *in)
{
	struct slice line;
	uint64_t version;

	if (!slice_take_until(in, '\n', &line))
		return in->len > 64 ? SPOOL_E_BAD : SPOOL_E_MORE;
	if (!slice_skip(&line, magic) ||
	    !slice_to_u64(line, UINT32_MAX, &version) || version == 0)
		return SPOOL_E_BAD;
	return version == 1 ? SPOOL_OK : SPOOL_E_VERSION;
}

int
spool_head_parse(struct slice in, struct arena *a, struct spool *ret,
    size_t *ret_len)
{
	struct slice rest = in, line;
	struct spool s = { 0 };
	unsigned seen = 0;
	int r = take_version(&rest);

	if (r != SPOOL_OK)
		return r;
	s.rcpts = arena_array(a, SPOOL_RCPTS, sizeof(*s.rcpts));
	if (s.rcpts == NULL)
		return -ENOMEM;
	while (slice_take_until(&rest, '\n', &line)) {
		if (line.len > 0) {
			if (!take_line(&s, line, &seen))
				return SPOOL_E_BAD;
			continue;
		}
		if ((seen & ((1u << NEEDED) - 1)) != (1u << NEEDED) - 1 ||
		    s.n_rcpts == 0)
			return SPOOL_E_BAD;
		s.has_uid = (seen & 1u << UID) != 0;
		*ret = s;
		*ret_len = in.len - rest.len;
		return SPOOL_OK;
	}
	return in.len >= SPOOL_HEAD_MAX ? SPOOL_E_BAD : SPOOL_E_MORE;
}

/* -- the last line ----------------------------------------------------------
 */

void
spool_sum_init(struct spool_sum *s)
{
	(void)crypto_generichash_init(&s->state, NULL, 0, SUM_BYTES);
}

void
spool_sum_add(struct spool_sum *s, struct slice bytes)
{
	if (bytes.len > 0)
		(void)crypto_generichash_update(&s->state, bytes.at, bytes.len);
}

void
spool_sum_print(struct spool_sum *s, char text[SPOOL_SUM + 1])
{
	uint8_t sum[SUM_BYTES];

	(void)crypto_generichash_final(&s->state, sum, sizeof(sum));
	for (size_t i = 0; i < sizeof(sum); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", sum[i]);
	text[SPOOL_SUM - 1] = '\n';
	text[SPOOL_SUM] = '\0';
}

/* -- names ------------------------------------------------------------------
 */

void
spool_name_print(const struct id *id, char name[SPOOL_NAME + 1])
{
	id_print(id, name);
	memcpy(name + ID_TEXT, suffix.at, suffix.len + 1);
}

bool
spool_name_parse(struct slice name, struct id *ret)
{
	return name.len == SPOOL_NAME && slice_ends(name, suffix) &&
	    id_parse(slice_upto(name, ID_TEXT), ret);
}
