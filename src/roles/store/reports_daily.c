/* SPDX-License-Identifier: ISC */
/*
 * roles/store/reports_daily - counts of a day become reports, and those go
 *
 *      look ─▶ compose ─▶ keep ─┐          one thing at a time, until there is
 *       ▲  └─▶ mail or post ────┤          nothing that is due
 *       └───────────────────────┘
 *
 * Composing happens in a READ thread. There is no DKIM yet: when there is, a
 * report's mail is signed where it becomes a body (mail_start).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "base/err.h"
#include "base/time.h"
#include "mail/date.h"
#include "policy/canon.h"
#include "policy/tls_policy.h"
#include "roles/store/reports.h"

enum {
	JSON_MAX = 4 * 1024 * 1024,
	GZ_MAX = 128 * 1024,
	MAIL_MAX = 200 * 1024,
	RECORD_MAX = 4096,
	WHY_MAX = 200,
	CONTACT_MAX = 320
};
static const char return_path[] = "Return-Path: <>\r\n";

enum found {
	FOUND_NOTHING,
	FOUND_COUNTS, /* composed */
	FOUND_REPORT  /* to be sent */
};

struct reports_daily {
	struct store_role *role;
	struct id_source ids;
	bool is_busy, looks_again;
	/* `ulak reports tls send`: each that waits once, due or not; those up
	 * to `tried` have had their turn. */
	bool all;
	uint64_t tried;
	/* one look, its thread's while it runs */
	struct store_read read;
	int64_t now;
	enum found found;
	int64_t day;
	char domain[LIMIT_DOMAIN + 1], record[RECORD_MAX + 1];
	char contact[CONTACT_MAX + 1];
	struct id id;
	struct buf gz;
	/* FOUND_REPORT */
	uint64_t report, session;
	char uri[TLSRPT_URI + 1], report_id[ID_TEXT + 1];
	uint32_t tries;
	int64_t created;
	bool is_posting;
	/* what is written about it */
	struct store_write write;
	uint8_t state; /* of tls_report */
	int64_t due;
	char why[WHY_MAX + 1];
	/* a mail */
	struct deposit deposit;
	struct tlsrpt_target target;
	struct buf canonical, route;
	bool is_queued;
	uint64_t account, modseq;
};

enum { /* tls_report.state */
	REPORT_WAITING,
	REPORT_SENT,
	REPORT_DROPPED
};

static void look(struct reports_daily *d);

/* -- composing ------------------------------------------------------------- */

static int
find_counts(struct db *db, struct reports_daily *d)
{
	int64_t today = d->now / TIME_DAY;
	struct q_tls_days row;
	struct db_rows rows;
	int r =
	    DB_MANY(tls_days, db, &rows, .before = d->all ? today + 1 : today);

	if (r != 0)
		return ERR_TRACE(r);
	while (d->found == FOUND_NOTHING &&
	    (r = q_tls_days_next(&rows, &row)) == 0) {
		if (!d->all &&
		    (row.day + 1) * TIME_DAY + tlsrpt_jitter(row.domain) >
			d->now)
			continue;
		d->day = row.day;
		if (slice_to_cstr(row.domain, d->domain, sizeof(d->domain)) &&
		    slice_to_cstr(row.record, d->record, sizeof(d->record)))
			d->found = FOUND_COUNTS;
	}
	db_rows_close(&rows);
	return r >= 0 ? 0 : ERR_TRACE(r);
}

static bool
gzip(struct slice text, struct buf *out)
{
	z_stream z = { 0 };
	uint8_t *at;
	bool ok;

	if (buf_reserve(out, GZ_MAX, &at) != BUF_OK ||
	    deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	z.next_in = (Bytef *)(uintptr_t)text.at;
	z.avail_in = (uInt)text.len;
	z.next_out = at;
	z.avail_out = GZ_MAX;
	ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
	if (ok)
		buf_grew(out, GZ_MAX - z.avail_out);
	(void)deflateEnd(&z);
	return ok;
}

/* Our first domain's postmaster, unless a setting names somebody. */
static int
find_contact(struct db *db, struct reports_daily *d)
{
	const char *set = d->role->settings->reports_contact;
	struct q_domain_first row;
	int r;

	(void)snprintf(d->contact, sizeof(d->contact), "postmaster@%s",
	    d->role->settings->hostname);
	if (set[0] != '\0') {
		(void)slice_to_cstr(slice_cstr(set), d->contact,
		    sizeof(d->contact));
		return 0;
	}
	r = DB_ONE(domain_first, db, &row, 0);
	if (r == 0)
		(void)snprintf(d->contact, sizeof(d->contact),
		    "postmaster@%.*s",
		    SLICE_FMT(slice_upto(row.canonical, LIMIT_DOMAIN)));
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static struct tlsrpt_report
report_of(const struct reports_daily *d)
{
	const char *ats = strchr(d->contact, '@');

	return (struct tlsrpt_report){
		.organization = slice_cstr(d->role->settings->hostname),
		.contact = slice_cstr(d->contact),
		.submitter = slice_cstr(ats != NULL ? ats + 1 : d->contact),
		.domain = slice_cstr(d->domain),
		.id = slice_cstr(d->report_id),
		.begin = d->day * TIME_DAY,
		.end = (d->day + 1) * TIME_DAY - TIME_SECOND,
	};
}

static int
load_rows(struct db *db, const struct reports_daily *d, struct arena *arena,
    struct tlsrpt_row *to, size_t *ret_n)
{
	struct q_tls_count_load row;
	struct db_rows rows;
	int r = DB_MANY(tls_count_load, db, &rows, .day = d->day,
	    .domain = slice_cstr(d->domain));

	if (r != 0)
		return ERR_TRACE(r);
	while (*ret_n < REPORTS_DAY_ROWS &&
	    (r = q_tls_count_load_next(&rows, &row)) == 0) {
		struct tlsrpt_row *one = &to[*ret_n];

		*one = (struct tlsrpt_row){
			.kind = row.kind, .result = row.result, .n = row.n
		};
		if (!arena_copy(arena, row.lines, &one->lines) ||
		    !arena_copy(arena, row.mx, &one->mx) ||
		    !arena_copy(arena, row.local, &one->local) ||
		    !arena_copy(arena, row.remote, &one->remote) ||
		    !arena_copy(arena, row.info, &one->info))
			break;
		++*ret_n;
	}
	db_rows_close(&rows);
	return r >= 0 ? 0 : ERR_TRACE(r);
}

static int
compose(struct db *db, struct reports_daily *d)
{
	struct tlsrpt_report report;
	struct tlsrpt_row *rows = calloc(REPORTS_DAY_ROWS, sizeof(*rows));
	struct arena arena;
	struct buf json;
	int r = rows == NULL ? ERR_ORIGIN(-ENOMEM) : find_contact(db, d);

	id_print(&d->id, d->report_id);
	report = report_of(d);
	arena_init(&arena, JSON_MAX);
	buf_init(&json, JSON_MAX);
	if (r == 0)
		r = load_rows(db, d, &arena, rows, &report.n_rows);
	report.rows = rows;
	if (r == 0 &&
	    (tlsrpt_json_print(&report, &json) != TLSRPT_OK ||
		!gzip(buf_slice(&json), &d->gz)))
		r = ERR_ORIGIN(-ENOMEM);
	buf_deinit(&json);
	arena_reset(&arena);
	free(rows);
	return r;
}

static int
find_report(struct db *db, struct reports_daily *d)
{
	struct q_tls_report_due row;
	int r =
	    DB_ONE(tls_report_due, db, &row, .now = d->all ? INT64_MAX : d->now,
		.after = d->all ? d->tried : 0, .all = d->all);

	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	if (!slice_to_cstr(row.domain, d->domain, sizeof(d->domain)) ||
	    !slice_to_cstr(row.uri, d->uri, sizeof(d->uri)) ||
	    !slice_to_cstr(row.id, d->report_id, sizeof(d->report_id)) ||
	    buf_add(&d->gz, row.body) != BUF_OK)
		return ERR_ORIGIN(-EBADMSG);
	d->report = d->tried = row.report;
	d->day = row.day;
	d->tries = row.tries;
	d->created = row.created;
	d->found = FOUND_REPORT;
	return ERR_TRACE(find_contact(db, d));
}

static int
run_look(struct db *db, struct store_read *read)
{
	struct reports_daily *d = LIST_ENTRY(read, struct reports_daily, read);
	int r = find_counts(db, d);

	if (r == 0 && d->found == FOUND_COUNTS)
		return ERR_TRACE(compose(db, d));
	return r != 0 ? r : ERR_TRACE(find_report(db, d));
}

/* -- keeping it ------------------------------------------------------------ */

static int
apply_composed(struct db *db, struct store_write *w)
{
	struct reports_daily *d = LIST_ENTRY(w, struct reports_daily, write);
	struct slice domain = slice_cstr(d->domain);
	struct tlsrpt_uris uris;
	int r = 0;

	(void)tlsrpt_record_parse(slice_cstr(d->record), &uris);
	for (size_t i = 0; r == 0 && i < uris.n; i++)
		r = DB_EXEC(tls_report_put, db, .day = d->day, .domain = domain,
		    .uri = uris.uris[i], .id = slice_cstr(d->report_id),
		    .body = buf_slice(&d->gz), .now = d->now);
	if (r == 0)
		r = DB_EXEC(tls_count_delete, db, .day = d->day,
		    .domain = domain);
	if (r == 0)
		r = DB_EXEC(tls_report_tidy, db,
		    .before = d->now - REPORTS_KEPT);
	return ERR_TRACE(r);
}

static void
next(struct reports_daily *d, int r)
{
	if (r < 0)
		env_log(d->role->env, ENV_ERROR, "tls-report", "errno=%d", -r);
	if (r == 0 && !d->role->is_stopping) {
		look(d);
		return;
	}
	d->is_busy = d->all = false; /* the next tick tries again */
}

static void
done_written(struct store_write *w, int r)
{
	next(LIST_ENTRY(w, struct reports_daily, write), r);
}

static void
submit(struct reports_daily *d, int (*apply)(struct db *, struct store_write *))
{
	d->write = (struct store_write){
		.lane = STORE_LANE_BULK, .apply = apply, .done = done_written
	};
	store_submit(d->role->store, &d->write);
}

/* -- sending it ------------------------------------------------------------ */

static int
write_state(struct db *db, const struct reports_daily *d)
{
	return ERR_TRACE(DB_EXEC(tls_report_state, db, .report = d->report,
	    .state = d->state, .tries = d->tries + 1, .due = d->due,
	    .why = slice_cstr(d->why)));
}

static int
apply_state(struct db *db, struct store_write *w)
{
	return write_state(db, LIST_ENTRY(w, struct reports_daily, write));
}

static void
tell_outcome(const struct reports_daily *d)
{
	env_log(d->role->env, d->state == REPORT_DROPPED ? ENV_WARN : ENV_INFO,
	    d->state == REPORT_SENT          ? "tls-report-sent"
		: d->state == REPORT_DROPPED ? "tls-report-dropped"
					     : "tls-report-delayed",
	    "domain=%s uri=\"%s\" why=\"%s\"", d->domain, d->uri, d->why);
}

static void
set_outcome(struct reports_daily *d, uint8_t state, const char *why)
{
	d->state = state;
	(void)slice_to_cstr(slice_upto(slice_cstr(why), WHY_MAX), d->why,
	    sizeof(d->why));
	for (char *c = d->why; *c != '\0'; c++)
		if (!ascii_is_print((uint8_t)*c))
			*c = ' ';
}

/* RFC 8460, 5.5: for a day, ever more rarely. */
static void
fail(struct reports_daily *d, const char *why)
{
	bool is_late = !tlsrpt_retry(d->tries, d->created, d->now, &d->due);

	set_outcome(d, is_late ? REPORT_DROPPED : REPORT_WAITING, why);
	tell_outcome(d);
	submit(d, apply_state);
}

/* -- as a mail -- */

static int
deliver_here(struct db *db, struct reports_daily *d)
{
	struct delivery one = { .account = d->account,
		.message = d->id,
		.size = d->deposit.append.place.stored_len,
		.keywords = SLICE(""),
		.date = d->now,
		.saved_at = d->now,
		.summary = SLICE("") };
	int r = mailbox_deliver(db, &one);

	d->modseq = one.modseq;
	return r;
}

static int
queue_it(struct db *db, const struct reports_daily *d)
{
	struct queue_add q = { .message = d->id,
		.tenant = 1,
		.sender = SLICE(""),
		.rcpt = slice_cstr(d->target.address),
		.rcpt_canon = buf_slice(&d->canonical),
		.route = buf_slice(&d->route),
		.lane = LANE_BULK,
		.now = d->now,
		.due = d->now,
		.expires = d->now + TLSRPT_GIVE_UP,
		.notify = NOTIFY_NEVER,
		.orcpt = SLICE("") };

	return ERR_TRACE(queue_add(db, &q));
}

static int
insert(struct db *db, const struct reports_daily *d)
{
	struct slice none = SLICE("");
	struct message_row m = { .id = d->id,
		.place = &d->deposit.append.place,
		.refs = 1,
		.relay_from = sizeof(return_path) - 1,
		.received_at = d->now,
		.sender = none,
		.client = none,
		.helo = none,
		.protocol = SLICE("report"),
		.envid = none,
		.summary = none };

	return ERR_TRACE(message_insert(db, &m));
}

/* A reader of ours is written to like anybody else's. */
static int
apply_mail(struct db *db, struct store_write *w)
{
	struct reports_daily *d =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
		struct reports_daily, deposit);
	struct q_domain_get ours;
	int r = message_exists(db, &d->id);

	if (r != DB_NONE)
		return ERR_TRACE(r);
	r = DB_ONE(domain_get, db, &ours, .canonical = buf_slice(&d->route));
	if (r < 0)
		return ERR_TRACE(r);
	d->account = 0;
	if (r == 0 &&
	    account_find(db, buf_slice(&d->canonical), &d->account) != 0)
		return STORE_E_NO_ACCOUNT;
	r = insert(db, d);
	set_outcome(d, REPORT_SENT,
	    d->account != 0 ? "in the mailbox" : "in the queue");
	if (r == 0)
		r = d->account != 0 ? deliver_here(db, d) : queue_it(db, d);
	return r != 0 ? r : write_state(db, d);
}

static void
done_mail(struct store_write *w, int r)
{
	struct reports_daily *d =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
		struct reports_daily, deposit);
	struct store_role *s = d->role;

	buf_deinit(&d->deposit.append.envelope);
	if (r > 0) {
		fail(d, "there is no such mailbox here");
		return;
	}
	if (r == 0 && d->account == 0)
		outbound_queued(s->outbound,
		    &(struct outbound_row){
			.route = buf_slice(&d->route), .lane = LANE_BULK });
	else if (r == 0)
		scan_changed(s, d->account, d->modseq);
	if (r == 0)
		tell_outcome(d);
	next(d, r);
}

static bool
fill_mail(struct reports_daily *d, struct buf *mail)
{
	struct tlsrpt_report report = report_of(d);
	char date[DATE_RFC5322];

	date_print(d->now, 0, date);
	(void)buf_add_cstr(mail, return_path);
	return tlsrpt_mail_print(&report, buf_slice(&d->gz),
		   slice_cstr(d->target.address), slice_cstr(date),
		   mail) == TLSRPT_OK;
}

static int
mail_start(struct reports_daily *d)
{
	static const struct body_ops ops = { 0 };
	struct slice address = slice_cstr(d->target.address), local, domain;
	struct body *body = NULL;
	struct buf mail;
	int r = 0;

	buf_reset(&d->canonical, 0);
	buf_reset(&d->route, 0);
	if (!canon_split(address, &local, &domain) ||
	    canon_domain(domain, &d->route) != CANON_OK ||
	    canon_address(address, true, &d->canonical) != CANON_OK)
		return -EINVAL;
	buf_init(&mail, MAIL_MAX);
	if (!fill_mail(d, &mail))
		r = -EMSGSIZE;
	if (r == 0)
		r = body_new(store_appender(d->role->store), MAIL_MAX, &ops, d,
		    &body);
	if (r == 0 && (r = body_add(body, buf_slice(&mail))) < 0)
		body_free(body);
	buf_deinit(&mail);
	if (r < 0)
		return r;
	d->deposit = (struct deposit){ 0 };
	buf_init(&d->deposit.append.envelope, SEGMENT_ENVELOPE_MAX);
	(void)segment_envelope_add(&d->deposit.append.envelope, SEGMENT_RCPT,
	    address);
	d->deposit.append.header.id = d->id;
	d->deposit.append.header.time = d->now;
	d->deposit.append.header.kind = SEGMENT_BOUNCE;
	d->deposit.write.lane = STORE_LANE_BULK;
	d->deposit.write.apply = apply_mail;
	d->deposit.write.done = done_mail;
	set_outcome(d, REPORT_SENT, "in the queue");
	deposit_submit(d->role->store, &d->deposit, body);
	return 0;
}

/* -- to a web server -- */

static void
post_start(struct reports_daily *d)
{
	struct wire_report_post m = { .uri = slice_cstr(d->uri),
		.content = buf_slice(&d->gz) };

	LIST_FOREACH (it, &d->role->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (p->c.peer != WIRE_FETCHER || channel_is_dead(&p->c))
			continue;
		d->is_posting = true;
		d->session++;
		(void)wire_send_report_post(&p->c, d->session, 0, &m);
		return;
	}
	fail(d, "there is no fetcher just now");
}

int
on_report_posted(struct channel *c, const struct wire_head *h,
    const struct wire_report_posted *m)
{
	struct reports_daily *d = reports_daily(peer_of(c)->role->reports);
	char why[WHY_MAX + 1];

	if (!d->is_posting || h->session != d->session)
		return 0;
	d->is_posting = false;
	(void)slice_to_cstr(m->why, why, sizeof(why));
	if (!m->ok) {
		fail(d, why);
		return 0;
	}
	set_outcome(d, REPORT_SENT, why);
	tell_outcome(d);
	submit(d, apply_state);
	return 0;
}

void
reports_fetcher_lost(struct reports_daily *d)
{
	if (!d->is_posting)
		return;
	d->is_posting = false;
	fail(d, "the fetcher went away");
}

/* -- looking --------------------------------------------------------------- */

static void
send(struct reports_daily *d)
{
	if (!tlsrpt_uri_parse(slice_cstr(d->uri), &d->target)) {
		d->created = 0;
		fail(d, "we do not send to such a URI");
	} else if (d->target.scheme == TLSRPT_HTTPS) {
		post_start(d);
	} else if (mail_start(d) < 0) {
		fail(d, "the mail cannot be made");
	}
}

static void
done_look(struct store_read *read, int r)
{
	struct reports_daily *d = LIST_ENTRY(read, struct reports_daily, read);

	if (r < 0) {
		next(d, r);
	} else if (d->found == FOUND_COUNTS) {
		submit(d, apply_composed);
	} else if (d->found == FOUND_REPORT) {
		send(d);
	} else {
		d->is_busy = d->all = false;
		if (d->looks_again)
			reports_daily_look(d, true);
	}
}

static void
look(struct reports_daily *d)
{
	struct env *env = d->role->env;

	d->found = FOUND_NOTHING;
	d->now = env_wall(env);
	buf_reset(&d->gz, 0);
	id_make(&d->ids, d->now, env_random_u64(env), &d->id);
	d->read = (struct store_read){ .run = run_look, .done = done_look };
	store_read(d->role->store, &d->read);
}

void
reports_daily_look(struct reports_daily *d, bool all)
{
	if (d->is_busy) {
		d->looks_again |= all;
		return;
	}
	d->looks_again = false;
	d->is_busy = true;
	d->all = all;
	d->tried = 0;
	look(d);
}

int
reports_daily_new(struct store_role *s, struct reports_daily **ret)
{
	struct reports_daily *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	d->role = s;
	buf_init(&d->gz, GZ_MAX);
	buf_init(&d->canonical, 4 * LIMIT_ADDRESS);
	buf_init(&d->route, 2 * LIMIT_DOMAIN);
	*ret = d;
	return 0;
}

void
reports_daily_free(struct reports_daily *d)
{
	if (d == NULL)
		return;
	buf_deinit(&d->gz);
	buf_deinit(&d->canonical);
	buf_deinit(&d->route);
	free(d);
}

/* -- `ulak reports tls` ---------------------------------------------------- */

int
list_reports(struct db *db, struct admin_job *j)
{
	static const char *const states[] = { "waiting", "sent", "dropped" };
	struct q_tls_report_list row;
	struct db_rows rows;
	int r = DB_MANY(tls_report_list, db, &rows, 0);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_tls_report_list_next(&rows, &row)) == 0) {
		r = put_text(j, "domain", row.domain);
		r |= put_number(j, "day", (uint64_t)(row.day * TIME_DAY));
		r |= put_text(j, "uri", row.uri);
		r |= put_text(j, "id", row.id);
		r |= put_text(j, "state",
		    slice_cstr(states[row.state <= REPORT_DROPPED ? row.state
								  : 0]));
		r |= put_number(j, "tries", row.tries);
		r |= put_number(j, "due", (uint64_t)row.due);
		r |= put_text(j, "why", row.why);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

int
show_reports(struct db *db, struct admin_job *j)
{
	static const char *const kinds[] = { "none", "sts", "tlsa" };
	struct q_tls_count_show row;
	struct db_rows rows;
	int r = DB_MANY(tls_count_show, db, &rows, .domain = arg(j, "domain"));

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_tls_count_show_next(&rows, &row)) == 0) {
		struct slice result = row.result == 0
		    ? SLICE("success")
		    : tls_result_name((enum tls_result)row.result);

		r = put_number(j, "day", (uint64_t)(row.day * TIME_DAY));
		r |= put_text(j, "policy",
		    slice_cstr(kinds[row.kind <= TLS_POLICY_TLSA ? row.kind
								 : 0]));
		r |= put_text(j, "mx", row.mx);
		r |= put_text(j, "remote", row.remote);
		r |= put_text(j, "result", result);
		r |= put_text(j, "info", row.info);
		r |= put_number(j, "sessions", row.n);
		end_row(j);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_ORIGIN(-ENOMEM);
}

static void
look_at_all(struct reports *r)
{
	reports_daily_look(reports_daily(r), true);
}

int
send_reports(struct admin_job *j)
{
	reports_flush(j->asker.role->reports, look_at_all);
	return 0;
}
