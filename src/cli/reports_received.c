/* SPDX-License-Identifier: ISC */
/*
 * cli/reports_received - the reports about TLS that came to our mailbox
 *
 * Asks the server for one mail after the other, from the newest down, and has
 * them read (reports_read.h). Nothing is kept of it: the mailbox is where the
 * reports are, and deleting one there is all that is needed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "cli/admin.h"
#include "cli/reports_read.h"

enum {
	MAILS_USUAL = 50,
	MAILS_MOST = 1000
};

struct mail {
	char *bytes; /* NULL: it was not given out */
	char date[24];
	size_t len;
};

/* Its rows: one that tells of it, then those with its body. */
static bool
take_mail(const json_t *rows, struct mail *ret)
{
	size_t room = 0;

	(void)snprintf(ret->date, sizeof(ret->date), "%s",
	    json_string_value(json_object_get(json_array_get(rows, 0),
		"date")));
	for (size_t i = 1; i < json_array_size(rows); i++)
		room +=
		    json_string_length(json_object_get(json_array_get(rows, i),
			"body"));
	ret->bytes = room == 0 ? NULL : malloc(room);
	for (size_t i = 1; i < json_array_size(rows) && room > 0; i++) {
		const json_t *body =
		    json_object_get(json_array_get(rows, i), "body");
		size_t n = 0;

		if (ret->bytes == NULL ||
		    !base64_decode(slice_of(json_string_value(body),
				       json_string_length(body)),
			(uint8_t *)ret->bytes + ret->len, room - ret->len, &n))
			return false;
		ret->len += n;
	}
	return true;
}

/* The newest below the one that `below` names; CLI_OK also when there is none,
 * with *ret_is_end. */
static int
ask_one(struct cli *cli, char below[24], struct mail *ret, bool *ret_is_end)
{
	struct admin_answer answer;
	json_t *args = json_object();
	const char *uid;
	int r;

	if (below[0] != '\0')
		(void)json_object_set_new(args, "below", json_string(below));
	r = admin_ask(cli, "reports tls received", args, &answer);
	json_decref(args);
	if (r != CLI_OK)
		return r;
	r = admin_status(&answer);
	uid = json_string_value(json_object_get(json_array_get(answer.rows, 0),
	    "uid"));
	*ret_is_end = r != CLI_OK || uid == NULL;
	if (!*ret_is_end) {
		(void)snprintf(below, 24, "%s", uid);
		if (!take_mail(answer.rows, ret))
			r = cli_fail(CLI_REFUSED, "a mail cannot be taken");
	}
	admin_answer_deinit(&answer);
	return r;
}

static size_t
how_many(const struct cli *cli)
{
	const char *text = cli_option(cli, "limit");
	uint64_t n = MAILS_USUAL;

	if (text != NULL)
		(void)slice_to_u64(slice_cstr(text), UINT64_MAX, &n);
	return n > MAILS_MOST ? MAILS_MOST : (size_t)n;
}

static int
print_mails(struct cli *cli, const struct mail *mails, size_t n)
{
	struct report_file *files = calloc(n + 1, sizeof(*files));
	int r;

	if (files == NULL)
		return cli_fail(CLI_REFUSED, "out of memory");
	for (size_t i = 0; i < n; i++)
		files[i] = (struct report_file){
			.bytes = slice_of(mails[i].bytes, mails[i].len),
			.received = mails[i].date
		};
	r = reports_print(cli, files, n);
	free(files);
	return r;
}

int
reports_received(struct cli *cli)
{
	size_t most = how_many(cli), n = 0;
	struct mail *mails = calloc(most + 1, sizeof(*mails));
	char below[24] = "";
	bool is_end = false;
	int r = mails != NULL ? CLI_OK : cli_fail(CLI_REFUSED, "out of memory");

	while (r == CLI_OK && n < most) {
		r = ask_one(cli, below, &mails[n], &is_end);
		if (is_end)
			break;
		n++;
	}
	if (r == CLI_OK)
		r = print_mails(cli, mails, n);
	for (size_t i = 0; i < n; i++)
		free(mails[i].bytes);
	free(mails);
	return r;
}
