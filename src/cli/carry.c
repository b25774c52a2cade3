/* SPDX-License-Identifier: ISC */
#include "cli/carry.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"

enum {
	WINDOW = 48, /* mails that the server has not answered for */
	TOLD_MAX = 20,
	LABEL = 256,
	OUT_SIZE = 128 * 1024
};

struct waiting {
	uint64_t size;
	char label[LABEL];
};

struct carry {
	int fd;
	FILE *in, *out;
	char *line; /* of getline */
	size_t line_size;
	uint32_t n_sent, n_answered;
	bool is_over; /* the last line has come, or the connection is lost */
	struct carry_counts counts;
	struct waiting waiting[WINDOW]; /* by number */
	char over[512];                 /* why */
};

static int
lost(struct carry *c)
{
	c->is_over = true;
	return cli_fail(CLI_REFUSED,
	    "%s; what was done is kept, give the command again to go on",
	    c->over[0] != '\0' ? c->over : "the server ended");
}

int
carry_open(struct cli *cli, const char *command, const char *address,
    struct carry **ret)
{
	struct carry *c = calloc(1, sizeof(*c));
	json_t *args = json_pack("{s:s}", "address", address);
	int r = c == NULL || args == NULL
	    ? cli_fail(CLI_REFUSED, "out of memory")
	    : admin_open(cli, command, args, &c->fd);
	int other;

	(void)signal(SIGPIPE, SIG_IGN); /* a server that ends says why */
	json_decref(args);
	if (r != CLI_OK) {
		free(c);
		return r;
	}
	other = dup(c->fd);
	c->in = fdopen(c->fd, "r");
	c->out = other == -1 ? NULL : fdopen(other, "w");
	if (c->in == NULL || c->out == NULL) {
		carry_close(c);
		return cli_fail(CLI_REFUSED, "out of memory");
	}
	(void)setvbuf(c->out, NULL, _IOFBF, OUT_SIZE);
	*ret = c;
	return CLI_OK;
}

void
carry_close(struct carry *c)
{
	if (c == NULL)
		return;
	if (c->in != NULL)
		(void)fclose(c->in);
	if (c->out != NULL)
		(void)fclose(c->out);
	free(c->line);
	free(c);
}

const struct carry_counts *
carry_counts(const struct carry *c)
{
	return &c->counts;
}

/* -- answers
 * ------------------------------------------------------------------------ */

/* The next line; NULL at the end. */
static json_t *
read_line(struct carry *c)
{
	ssize_t n = getline(&c->line, &c->line_size, c->in);

	return n <= 0 ? NULL : json_loadb(c->line, (size_t)n, 0, NULL);
}

/* The line that ends it all: a code without a number of a mail. */
static bool
is_end(struct carry *c, const json_t *line)
{
	const json_t *code = json_object_get(line, "code");

	if (code == NULL)
		return false;
	c->is_over = true;
	(void)snprintf(c->over, sizeof(c->over), "%s",
	    json_string_value(json_object_get(line, "text")));
	return true;
}

static void
tell_refusal(struct carry *c, const struct waiting *w, const char *text)
{
	char label[TABLE_CELL], words[TABLE_CELL];

	c->counts.n_refused++;
	if (c->counts.n_refused > TOLD_MAX)
		return;
	table_clean(slice_cstr(w->label), label);
	table_clean(slice_cstr(text == NULL ? "" : text), words);
	(void)cli_fail(CLI_REFUSED, "%s: %s%s", label, words,
	    c->counts.n_refused == TOLD_MAX ? " (further ones are not told)"
					    : "");
}

/* One answer. Trouble, and a quota that has no room, end it: each further
 * mail would fare the same. */
static int
take_answer(struct carry *c)
{
	json_t *line = read_line(c);
	json_t *verdict = json_object_get(line, "verdict");
	const char *text = json_string_value(json_object_get(verdict, "text"));
	const char *status =
	    json_string_value(json_object_get(verdict, "status"));
	long code = (long)json_integer_value(json_object_get(verdict, "code"));
	uint64_t n = (uint64_t)json_integer_value(json_object_get(line, "n"));
	const struct waiting *w = &c->waiting[n % WINDOW];
	int r = CLI_OK;

	if (line == NULL || is_end(c, line) || verdict == NULL) {
		json_decref(line);
		return lost(c);
	}
	c->n_answered++;
	if (code == 250) {
		c->counts.n_new++;
		c->counts.bytes += w->size;
	} else if (code == 251) {
		c->counts.n_known++;
	} else {
		tell_refusal(c, w, text);
		if (code < 500 || code == 550 ||
		    (status != NULL && strcmp(status, "5.2.2") == 0)) {
			(void)snprintf(c->over, sizeof(c->over), "%s",
			    text == NULL ? "" : text);
			r = lost(c);
		}
	}
	json_decref(line);
	return r;
}

/* -- putting
 * ------------------------------------------------------------------------ */

static int
print_head(struct carry *c, const struct carry_mail *m)
{
	char source[ID_TEXT + 1];
	json_t *head;
	int r;

	id_print(&m->source, source);
	head = json_pack("{s:I,s:s,s:i,s:s,s:I,s:i,s:s,s:I,s:I,s:I}", "n",
	    (json_int_t)c->n_sent, "mailbox", m->mailbox, "flags",
	    (int)m->flags, "keywords", m->keywords, "date", (json_int_t)m->date,
	    "zone", m->zone, "source", source, "validity",
	    (json_int_t)m->validity, "uid", (json_int_t)m->uid, "size",
	    (json_int_t)m->bytes.len);
	if (head == NULL)
		return cli_fail(CLI_REFUSED, "%s: not UTF-8", m->label);
	r = json_dumpf(head, c->out, JSON_COMPACT);
	json_decref(head);
	return r == 0 && putc('\n', c->out) != EOF ? CLI_OK : lost(c);
}

int
carry_put(struct carry *c, const struct carry_mail *m)
{
	struct waiting *w = &c->waiting[c->n_sent % WINDOW];
	int r = CLI_OK;

	if (c->n_sent - c->n_answered >= WINDOW && fflush(c->out) != 0)
		r = take_answer(c); /* says why */
	while (r == CLI_OK && c->n_sent - c->n_answered >= WINDOW)
		r = take_answer(c);
	if (r == CLI_OK)
		r = print_head(c, m);
	if (r != CLI_OK)
		return r;
	w->size = m->bytes.len;
	(void)snprintf(w->label, sizeof(w->label), "%s", m->label);
	c->n_sent++;
	if (m->bytes.len > 0 &&
	    fwrite(m->bytes.at, 1, m->bytes.len, c->out) != m->bytes.len) {
		while (r == CLI_OK) /* it has said why */
			r = take_answer(c);
	}
	return r;
}

int
carry_finish(struct carry *c)
{
	int r = CLI_OK;

	if (c->is_over)
		return CLI_REFUSED;
	(void)fputs("{\"end\":true}\n", c->out);
	(void)fflush(c->out);
	while (r == CLI_OK && c->n_answered < c->n_sent)
		r = take_answer(c);
	return r;
}

/* -- fetching
 * ----------------------------------------------------------------------- */

int
carry_ask(struct carry *c, const char *id)
{
	c->n_sent++;
	return fprintf(c->out, "{\"n\":%" PRIu32 ",\"id\":\"%s\"}\n", c->n_sent,
		   id) > 0
	    ? CLI_OK
	    : lost(c);
}

static int
read_bytes(struct carry *c, size_t n, struct buf *ret)
{
	uint8_t *at;

	if (buf_reserve(ret, n, &at) != 0)
		return cli_fail(CLI_REFUSED, "out of memory");
	if (fread(at, 1, n, c->in) != n)
		return lost(c);
	buf_grew(ret, n);
	return CLI_OK;
}

int
carry_take(struct carry *c, struct buf *ret, long *ret_code)
{
	int r = CLI_OK;

	buf_reset(ret, SIZE_MAX);
	*ret_code = 0;
	if (fflush(c->out) != 0)
		return lost(c);
	while (r == CLI_OK && *ret_code == 0) {
		json_t *line = read_line(c);
		json_t *verdict = json_object_get(line, "verdict");
		json_int_t n =
		    json_integer_value(json_object_get(line, "bytes"));

		if (line == NULL || is_end(c, line))
			r = lost(c);
		else if (verdict != NULL)
			*ret_code =
			    (long)json_integer_value(json_object_get(verdict,
				"code"));
		else
			r = n > 0 && n <= LIMIT_CHUNK
			    ? read_bytes(c, (size_t)n, ret)
			    : lost(c);
		json_decref(line);
	}
	c->n_answered++;
	return r;
}
