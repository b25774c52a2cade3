/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt_convert - a mail made fit for a server that does not
 * take it as it is (mail/convert)
 *
 * It is read three times: twice before MAIL, so that what cannot be converted
 * is known by then, and once to be sent. The client stands in READY meanwhile.
 * What was found out is kept for the next host, unless that needs another form.
 */
#include "roles/courier/attempt.h"

#include <stdio.h>
#include <stdlib.h>

void
attempt_drop_convert(struct attempt *a)
{
	if (a->convert != NULL)
		convert_deinit(a->convert);
	free(a->convert);
	a->convert = NULL;
	a->convert_state = CONVERT_STATE_NONE;
}

static bool
begin_convert(struct attempt *a, enum convert_goal goal)
{
	attempt_drop_convert(a);
	a->convert = calloc(1, sizeof(*a->convert));
	if (a->convert == NULL)
		return false;
	convert_init(a->convert, goal, a->size);
	a->convert_state = CONVERT_STATE_READING;
	attempt_reread_body(a);
	return true;
}

/* Feeds it what is there: MORE, or the end. */
static enum convert_need
read_on(struct attempt *a)
{
	enum convert_need need = CONVERT_MORE;

	while (need == CONVERT_MORE && a->body_at < a->body.len) {
		need = convert_read(a->convert,
		    slice_from(buf_slice(&a->body), a->body_at));
		a->body_at = a->body.len;
		attempt_forget_body(a);
		if (need == CONVERT_AGAIN) {
			attempt_reread_body(a);
			need = CONVERT_MORE;
		}
	}
	attempt_want_body(a);
	return need;
}

static void
on_unfit(struct attempt *a, const struct smtp_client_mail *mail)
{
	bool is_utf8 = a->convert->goal == CONVERT_ASCII_HEADER ||
	    (mail->is_smtputf8 && a->convert->goal == CONVERT_7BIT);

	(void)snprintf(a->unfit, sizeof(a->unfit),
	    "%s mail, and the remote server does not take it; it cannot be "
	    "converted: %s",
	    is_utf8               ? "internationalised"
		: mail->is_binary ? "binary"
				  : "8-bit",
	    a->convert->why);
	attempt_note(a, "! cannot be converted: %s", a->convert->why);
	a->convert_state = CONVERT_STATE_UNFIT;
}

static void
on_converted(struct attempt *a)
{
	const struct convert *c = a->convert;

	attempt_note(a, "* converted for this server: %u parts encoded",
	    c->n_encoded);
	a->convert_state = CONVERT_STATE_DONE;
	attempt_reread_body(a);
}

static void
fill_converted(struct attempt *a, struct smtp_client_mail *mail)
{
	if (a->convert_state == CONVERT_STATE_UNFIT) {
		mail->unfit = slice_cstr(a->unfit);
		return;
	}
	convert_begin(a->convert);
	buf_reset(&a->converted, a->converted.cap);
	mail->is_8bit = a->convert->is_8bit;
	mail->is_binary = false;
	mail->is_converted = true;
	mail->size = a->convert->size;
}

bool
attempt_make_fit(struct attempt *a, const struct smtp_offer *o,
    struct smtp_client_mail *mail)
{
	enum convert_goal goal;

	if (!a->courier->settings->convert_8bit ||
	    !smtp_envelope_converts(o, mail, &goal)) {
		attempt_drop_convert(a);
		return true;
	}
	if ((a->convert == NULL || a->convert->goal != goal) &&
	    !begin_convert(a, goal))
		return true; /* it comes back; nothing has been sent */
	if (a->convert_state == CONVERT_STATE_READING) {
		switch (read_on(a)) {
		case CONVERT_READY:
			on_converted(a);
			break;
		case CONVERT_REFUSED:
			on_unfit(a, mail);
			break;
		default:
			return false;
		}
	}
	fill_converted(a, mail);
	return true;
}
