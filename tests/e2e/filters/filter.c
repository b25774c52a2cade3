/* SPDX-License-Identifier: ISC */
/*
 * A content filter for the tests, on Sendmail's own libmilter
 *
 * usage: filter inet:PORT@ADDRESS | unix:PATH   [name]
 *
 * What it does is said in the mail: the local part of the sender names a stage
 * and a verdict ("mail-reject@x"), fields "X-Do:" name changes. Everything that
 * it hears goes to standard output, one line each.
 */
#include <libmilter/mfapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mail {
	char sender[400];
	char todo[64][400];
	int n;
	size_t body;
};

static const char *name = "filter";

static struct mail *
mail_of(SMFICTX *ctx)
{
	struct mail *m = smfi_getpriv(ctx);

	if (m == NULL) {
		m = calloc(1, sizeof(*m));
		smfi_setpriv(ctx, m);
	}
	return m;
}

static void
heard(SMFICTX *ctx, const char *what, const char *a, const char *b)
{
	static const char *const macros[] = { "j", "i", "{client_addr}", "{client_name}", "{auth_authen}", "{mail_addr}",
		"{rcpt_addr}", "{tls_version}" };

	flockfile(stdout);
	printf("%s %s [%s] [%s]", name, what, a == NULL ? "" : a, b == NULL ? "" : b);
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		const char *v = smfi_getsymval(ctx, (char *)macros[i]);

		if (v != NULL)
			printf(" %s=%s", macros[i], v);
	}
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

/* "mail-reject@..." at stage "mail" */
static sfsistat
verdict(SMFICTX *ctx, const char *stage, const char *who)
{
	size_t n = strlen(stage);
	const char *v = who + n + 1;

	if (strncmp(who, stage, n) != 0 || who[n] != '-')
		return SMFIS_CONTINUE;
	if (strncmp(v, "reject", 6) == 0)
		return SMFIS_REJECT;
	if (strncmp(v, "tempfail", 8) == 0)
		return SMFIS_TEMPFAIL;
	if (strncmp(v, "accept", 6) == 0)
		return SMFIS_ACCEPT;
	if (strncmp(v, "discard", 7) == 0)
		return SMFIS_DISCARD;
	if (strncmp(v, "slow", 4) == 0) {
		sleep(30);
		return SMFIS_CONTINUE;
	}
	if (strncmp(v, "reply", 5) == 0) {
		smfi_setreply(ctx, "550", "5.7.9", "the words of a filter, 100%% its own");
		return SMFIS_REJECT;
	}
	if (strncmp(v, "lines", 5) == 0) {
		smfi_setmlreply(ctx, "450", "4.7.9", "first line", "second line", NULL);
		return SMFIS_TEMPFAIL;
	}
	if (strncmp(v, "close", 5) == 0) {
		smfi_setreply(ctx, "421", "4.7.9", "go away for now");
		return SMFIS_TEMPFAIL;
	}
	return SMFIS_CONTINUE;
}

static sfsistat
on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr)
{
	(void)addr;
	heard(ctx, "connect", host, "");
	return SMFIS_CONTINUE;
}

static sfsistat
on_helo(SMFICTX *ctx, char *helo)
{
	heard(ctx, "helo", helo, "");
	return verdict(ctx, "helo", helo);
}

static const char *
bare(const char *address)
{
	return address[0] == '<' ? address + 1 : address;
}

static sfsistat
on_mail(SMFICTX *ctx, char **argv)
{
	struct mail *m = mail_of(ctx);
	char params[1000] = "";

	m->n = 0;
	m->body = 0;
	snprintf(m->sender, sizeof(m->sender), "%s", bare(argv[0]));
	for (int i = 1; argv[i] != NULL; i++)
		snprintf(params + strlen(params), sizeof(params) - strlen(params), "%s ", argv[i]);
	heard(ctx, "mail", argv[0], params);
	return verdict(ctx, "mail", m->sender);
}

/* The sender names who is refused: "rcpt-reject-bob@..." */
static sfsistat
on_rcpt(SMFICTX *ctx, char **argv)
{
	struct mail *m = mail_of(ctx);
	const char *rcpt = bare(argv[0]);
	const char *who = strrchr(m->sender, '-');

	heard(ctx, "rcpt", argv[0], argv[1]);
	if (who == NULL || strncmp(who + 1, rcpt, strcspn(rcpt, "@")) != 0)
		return SMFIS_CONTINUE;
	return verdict(ctx, "rcpt", m->sender);
}

static sfsistat
on_data(SMFICTX *ctx)
{
	heard(ctx, "data", "", "");
	return verdict(ctx, "data", mail_of(ctx)->sender);
}

static sfsistat
on_header(SMFICTX *ctx, char *field, char *value)
{
	struct mail *m = mail_of(ctx);

	heard(ctx, "header", field, value);
	if (strcasecmp(field, "X-Do") == 0 && m->n < 64)
		snprintf(m->todo[m->n++], sizeof(m->todo[0]), "%s", value);
	return verdict(ctx, "header", m->sender);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	heard(ctx, "eoh", "", "");
	return verdict(ctx, "eoh", mail_of(ctx)->sender);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *part, size_t len)
{
	struct mail *m = mail_of(ctx);

	(void)part;
	m->body += len;
	if (strncmp(m->sender, "skip", 4) == 0)
		return SMFIS_SKIP;
	return verdict(ctx, "body", m->sender);
}

/* "add Name: value", "insert 0 Name: value", "change 1 Name: value",
 * "delete 1 Name", "body text", "bigbody octets", "addrcpt <a>",
 * "delrcpt <a>", "from <a>", "quarantine why", "progress" */
static void
change(SMFICTX *ctx, char *todo)
{
	char *word = strtok(todo, " ");
	char *rest = strtok(NULL, "");
	char *field, *value;
	int index = 0, r = MI_SUCCESS;

	if (rest == NULL)
		rest = "";
	for (char *c = rest; *c != '\0'; c++) /* a folded line */
		if (*c == '|')
			*c = '\n';
	if (strcmp(word, "insert") == 0 || strcmp(word, "change") == 0 || strcmp(word, "delete") == 0) {
		index = atoi(strtok(rest, " "));
		rest = strtok(NULL, "");
	}
	if (strcmp(word, "addrcpt") == 0) {
		r = smfi_addrcpt(ctx, rest);
	} else if (strcmp(word, "delrcpt") == 0) {
		r = smfi_delrcpt(ctx, rest);
	} else if (strcmp(word, "from") == 0) {
		r = smfi_chgfrom(ctx, rest, NULL);
	} else if (strcmp(word, "quarantine") == 0) {
		r = smfi_quarantine(ctx, rest);
	} else if (strcmp(word, "progress") == 0) {
		for (int i = 0; i < 4; i++) {
			smfi_progress(ctx);
			usleep(400 * 1000);
		}
	} else if (strcmp(word, "body") == 0) {
		r = smfi_replacebody(ctx, (unsigned char *)rest, (int)strlen(rest));
		r |= smfi_replacebody(ctx, (unsigned char *)"\r\n", 2);
	} else if (strcmp(word, "bigbody") == 0) {
		long left = atol(rest);
		unsigned char line[] = "0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n";

		for (; left > 0 && r == MI_SUCCESS; left -= (long)sizeof(line) - 1)
			r = smfi_replacebody(ctx, line, sizeof(line) - 1);
	} else if (strcmp(word, "delete") == 0) {
		r = smfi_chgheader(ctx, rest, index, NULL);
	} else {
		field = strtok(rest, ":");
		value = strtok(NULL, "");
		value = value == NULL ? "" : value + 1;
		r = strcmp(word, "add") == 0 ? smfi_addheader(ctx, field, value)
		    : strcmp(word, "insert") == 0 ? smfi_insheader(ctx, index, field, value)
		    : smfi_chgheader(ctx, field, index, value);
	}
	if (r != MI_SUCCESS)
		heard(ctx, "failed", word, rest);
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct mail *m = mail_of(ctx);
	char size[40];

	snprintf(size, sizeof(size), "%zu", m->body);
	heard(ctx, "end", size, "");
	for (int i = 0; i < m->n; i++)
		change(ctx, m->todo[i]);
	return verdict(ctx, "end", m->sender);
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	heard(ctx, "abort", "", "");
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, NULL);
	heard(ctx, "close", "", "");
	return SMFIS_CONTINUE;
}

static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2, unsigned long f3,
    unsigned long *ret_actions, unsigned long *ret_steps, unsigned long *ret_f2, unsigned long *ret_f3)
{
	(void)f2;
	(void)f3;
	*ret_actions = actions;
	/* all stages, all answered, but for what is named */
	*ret_steps = steps & (SMFIP_SKIP | SMFIP_HDR_LEADSPC);
	if (getenv("FILTER_MUTE") != NULL)
		*ret_steps |= steps &
		    (SMFIP_NR_HDR | SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_DATA |
			SMFIP_NR_EOH | SMFIP_NR_BODY);
	if (getenv("FILTER_LEADSPC") == NULL)
		*ret_steps &= ~(unsigned long)SMFIP_HDR_LEADSPC;
	*ret_f2 = *ret_f3 = 0;
	if (getenv("FILTER_SYMBOLS") != NULL)
		smfi_setsymlist(ctx, SMFIM_ENVFROM, "i {auth_authen}");
	return SMFIS_CONTINUE;
}

int
main(int argc, char **argv)
{
	struct smfiDesc desc = { .xxfi_name = "filter",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDHDRS | SMFIF_CHGHDRS | SMFIF_CHGBODY | SMFIF_ADDRCPT | SMFIF_DELRCPT |
		    SMFIF_QUARANTINE | SMFIF_CHGFROM,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_data = on_data,
		.xxfi_header = on_header,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate };

	if (argc > 2)
		name = argv[2];
	if (argc < 2 || smfi_setconn(argv[1]) == MI_FAILURE || smfi_register(desc) == MI_FAILURE)
		return 2;
	smfi_settimeout(30);
	return smfi_main() == MI_SUCCESS ? 0 : 1;
}
