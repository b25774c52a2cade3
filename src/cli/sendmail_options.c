/* SPDX-License-Identifier: ISC */
/*
 * cli/sendmail_options - the command line of sendmail(1), as programs use it
 *
 * Letters may stand together, a value behind its letter or as the next word;
 * "--" ends the options. What has no meaning here is read over, since programs
 * say much out of habit; what would mean another thing than is done is an
 * error.
 */
#include "cli/sendmail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct words {
	char **at;
	int n;
	struct sendmail_options *o;
	char *error;
};

static __attribute__((format(printf, 2, 3))) int
fail(struct words *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(w->error, SENDMAIL_ERROR, format, ap);
	va_end(ap);
	return EX_USAGE;
}

/* -- what letters mean ------------------------------------------------------
 */

static int
set_mode(struct words *w, const char *value)
{
	static const struct {
		char letter;
		uint8_t mode;
	} modes[] = { { 'm', SENDMAIL_DELIVER }, { 's', SENDMAIL_SESSION },
		{ 'p', SENDMAIL_QUEUE }, { 'i', SENDMAIL_ALIASES } };

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (value[0] == modes[i].letter && value[1] == '\0') {
			w->o->mode = modes[i].mode;
			return EX_OK;
		}
	if (strcmp(value, "d") == 0 || strcmp(value, "D") == 0)
		return fail(w, "-b%s: the server is started by `ulak serve`",
		    value);
	return fail(w, "-b%s is not known here; -bm, -bs, -bp and -bi are",
	    value);
}

static int
set_sender(struct words *w, const char *value)
{
	w->o->sender = value;
	return EX_OK;
}

static int
set_name(struct words *w, const char *value)
{
	w->o->name = value;
	return EX_OK;
}

static int
set_config(struct words *w, const char *value)
{
	w->o->config = value;
	return EX_OK;
}

static int
set_envid(struct words *w, const char *value)
{
	w->o->envid = value;
	return EX_OK;
}

/* RFC 3461, 4.1: NEVER, or a list of the others */
static int
set_notify(struct words *w, const char *value)
{
	static const struct slice names[] = { SLICE("never"), SLICE("success"),
		SLICE("failure"), SLICE("delay") };
	struct slice rest = slice_cstr(value), word;
	unsigned bits = 0;
	bool is_last;

	do {
		size_t i = 0;

		is_last = !slice_take_until(&rest, ',', &word);
		if (is_last)
			word = rest;
		while (i < 4 && !slice_equal_nocase(word, names[i]))
			i++;
		if (i == 4)
			return fail(w,
			    "-N needs never, or some of success, failure and "
			    "delay, not \"%s\"",
			    value);
		bits |= 1u << i;
	} while (!is_last);
	if ((bits & 1) != 0 && bits != 1)
		return fail(w, "-N never stands alone");
	w->o->notify = (uint8_t)bits;
	return EX_OK;
}

static int
set_ret(struct words *w, const char *value)
{
	struct slice s = slice_cstr(value);

	if (slice_equal_nocase(s, SLICE("full")))
		w->o->ret = 1;
	else if (slice_equal_nocase(s, SLICE("hdrs")))
		w->o->ret = 2;
	else
		return fail(w, "-R needs full or hdrs, not \"%s\"", value);
	return EX_OK;
}

/* -oi; the other settings of a sendmail have no meaning here. */
static int
set_option(struct words *w, const char *value)
{
	if (value[0] == 'i' && value[1] == '\0')
		w->o->ignores_dot = true;
	return EX_OK;
}

static int
set_long_option(struct words *w, const char *value)
{
	if (slice_starts_nocase(slice_cstr(value), SLICE("IgnoreDots")))
		w->o->ignores_dot = true;
	return EX_OK;
}

static int
set_takes_rcpts(struct words *w, const char *value)
{
	(void)value;
	w->o->takes_rcpts = true;
	return EX_OK;
}

static int
set_ignores_dot(struct words *w, const char *value)
{
	(void)value;
	w->o->ignores_dot = true;
	return EX_OK;
}

static int
set_verbose(struct words *w, const char *value)
{
	(void)value;
	w->o->is_verbose = true;
	return EX_OK;
}

static int
set_aliases(struct words *w, const char *value)
{
	(void)value;
	w->o->mode = SENDMAIL_ALIASES;
	return EX_OK;
}

static int
set_run(struct words *w, const char *value)
{
	(void)value;
	w->o->mode = SENDMAIL_RUN;
	return EX_OK;
}

enum takes {
	FLAG,
	VALUE, /* behind the letter, or the next word */
	GLUED  /* behind the letter, or none */
};

static const struct letter {
	char letter;
	uint8_t takes;
	int (*set)(struct words *w, const char *value); /* NULL: read over */
} letters[] = {
	{ 'A', VALUE, NULL },
	{ 'B', VALUE, NULL }, /* 8BITMIME or 7BIT: the message tells */
	{ 'C', VALUE, set_config },
	{ 'E', FLAG, NULL },
	{ 'F', VALUE, set_name },
	{ 'G', FLAG, NULL },
	{ 'I', FLAG, set_aliases },
	{ 'L', VALUE, NULL },
	{ 'N', VALUE, set_notify },
	{ 'O', VALUE, set_long_option },
	{ 'R', VALUE, set_ret },
	{ 'U', FLAG, NULL },
	{ 'V', VALUE, set_envid },
	{ 'X', VALUE, NULL },
	{ 'b', VALUE, set_mode },
	{ 'd', GLUED, NULL },
	{ 'e', VALUE, NULL },
	{ 'f', VALUE, set_sender },
	{ 'h', VALUE, NULL },
	{ 'i', FLAG, set_ignores_dot },
	{ 'm', FLAG, NULL },
	{ 'n', FLAG, NULL },
	{ 'o', VALUE, set_option },
	{ 'p', VALUE, NULL },
	{ 'q', GLUED, set_run },
	{ 'r', VALUE, set_sender },
	{ 's', FLAG, NULL },
	{ 't', FLAG, set_takes_rcpts },
	{ 'v', FLAG, set_verbose },
	{ 'x', FLAG, NULL },
};

/* -- words ------------------------------------------------------------------
 */

static const struct letter *
find_letter(char c)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == c)
			return &letters[i];
	return NULL;
}

static const char *
next_word(struct words *w)
{
	if (w->n == 0)
		return NULL;
	w->n--;
	return *w->at++;
}

/* "-ti", "-fme@here.example", "-f" "me@here.example" */
static int
take_letters(struct words *w, const char *word)
{
	for (const char *c = word + 1; *c != '\0'; c++) {
		const struct letter *l = find_letter(*c);
		const char *value = c + 1;
		int r;

		if (l == NULL)
			return fail(w, "unknown option -%c", *c);
		if (l->takes == VALUE && *value == '\0')
			value = next_word(w);
		if (l->takes == VALUE && value == NULL)
			return fail(w, "option -%c needs a value", *c);
		r = l->set == NULL ? EX_OK : l->set(w, value);
		if (r != EX_OK || l->takes != FLAG)
			return r;
	}
	return EX_OK;
}

static int
take_rcpt(struct words *w, const char *word)
{
	if (w->o->n_rcpts == SENDMAIL_RCPTS)
		return fail(w, "more than %d recipients", SENDMAIL_RCPTS);
	w->o->rcpts[w->o->n_rcpts++] = word;
	return EX_OK;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

static const struct {
	const char *name;
	enum sendmail_mode mode;
} programs[] = {
	{ "sendmail", SENDMAIL_DELIVER },
	{ "mailq", SENDMAIL_QUEUE },
	{ "newaliases", SENDMAIL_ALIASES },
};

bool
sendmail_is_name(const char *argv0)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(base_name(argv0), programs[i].name) == 0)
			return true;
	return false;
}

int
sendmail_options_parse(int argc, char **argv, struct sendmail_options *ret,
    char error[SENDMAIL_ERROR])
{
	struct words w = { argv + 1, argc - 1, ret, error };
	bool is_literal = false;
	const char *word;
	int r = EX_OK;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(base_name(argv[0]), programs[i].name) == 0)
			ret->mode = programs[i].mode;
	while (r == EX_OK && (word = next_word(&w)) != NULL) {
		if (!is_literal && strcmp(word, "--") == 0)
			is_literal = true;
		else if (!is_literal && strcmp(word, "--help") == 0)
			ret->mode = SENDMAIL_HELP;
		else if (!is_literal && word[0] == '-' && word[1] != '\0')
			r = word[1] == '-' ? fail(&w, "unknown option %s", word)
					   : take_letters(&w, word);
		else
			r = take_rcpt(&w, word);
	}
	return r;
}

void
sendmail_help(void)
{
	(void)fputs(
	    "usage: sendmail [OPTION...] [RECIPIENT...]\n"
	    "       mailq\n"
	    "       newaliases\n\n"
	    "Hands in a message of this machine; it comes on standard "
	    "input.\n\noptions:\n"
	    "  -t              recipients are also those of To, Cc and Bcc\n"
	    "  -i, -oi         a line of one dot does not end the message\n"
	    "  -f, -r SENDER   the envelope's sender (else who calls); \"\" is "
	    "nobody\n"
	    "  -F NAME         the full name in a From field that is added\n"
	    "  -N LIST         notify: never, or success,failure,delay\n"
	    "  -R WHAT         a report returns full or hdrs\n"
	    "  -V ENVID        the envelope's id in reports\n"
	    "  -bm             reads a message (this is what it does)\n"
	    "  -bs             speaks SMTP on standard input and output\n"
	    "  -bp             prints the queue (mailq)\n"
	    "  -bi             newaliases: nothing is to be done\n"
	    "  -q              has the spool looked at now\n"
	    "  -v              shows what is said\n"
	    "  -C FILE         configuration\n"
	    "  --              no options behind it\n"
	    "-A -B -d -e -E -G -h -L -m -n -o -O -p -s -U -x -X are read "
	    "over.\n\n"
	    "Exit status as in sysexits(3): 0 sent, or left in the spool; 64 "
	    "wrong use;\n65 not a message or an address; 67 no such user; 69 "
	    "refused; 75 try again;\n77 not allowed; 78 no configuration.\n",
	    stdout);
}
