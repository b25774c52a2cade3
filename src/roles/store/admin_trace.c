/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_trace - the life of a mail, from the events
 *
 * By id, or by an address: then the latest mails that name it. Every day has a
 * database of its own; one that cannot be read is passed over.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "queue/classify.h"
#include "roles/store/admin_impl.h"

enum {
	TRACE_LIMIT = 1000,
	TRACE_IDS = 20
};

struct line {
	struct id message;
	int64_t at;
	size_t order;
	struct slice kind, address, text, detail;
};
struct trace {
	struct admin_job *j;
	struct line *lines;
	size_t n, size;
	struct id ids[TRACE_IDS];
	size_t n_ids;
};

static int
add_line(struct trace *t, const struct id *id,
    const struct q_event_by_message *row)
{
	struct line *l;

	if (t->n == t->size) {
		size_t size = t->size == 0 ? 64 : t->size * 2;

		l = realloc(t->lines, size * sizeof(*l));
		if (l == NULL)
			return ERR_ORIGIN(-ENOMEM);
		t->lines = l;
		t->size = size;
	}
	l = &t->lines[t->n];
	*l = (struct line){ .message = *id, .at = row->at, .order = t->n };
	if (keep(t->j, row->kind, &l->kind) != 0 ||
	    keep(t->j, row->address, &l->address) != 0 ||
	    keep(t->j, row->text, &l->text) != 0 ||
	    keep(t->j, row->detail, &l->detail) != 0)
		return ERR_ORIGIN(-ENOMEM);
	t->n++;
	return 0;
}

static int
trace_id(struct trace *t, struct db *day, const struct id *id)
{
	struct q_event_by_message row;
	struct db_rows rows;
	int r = DB_MANY(event_by_message, day, &rows, .message = *id);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_event_by_message_next(&rows, &row)) == 0) {
		r = add_line(t, id, &row);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
find_ids(struct trace *t, struct db *day, struct slice address)
{
	struct q_event_ids_by_address row;
	struct db_rows rows;
	int r = DB_MANY(event_ids_by_address, day, &rows, .address = address);

	if (r != 0)
		return ERR_TRACE(r);
	while (t->n_ids < TRACE_IDS &&
	    (r = q_event_ids_by_address_next(&rows, &row)) == 0) {
		bool is_known = false;

		for (size_t i = 0; i < t->n_ids && !is_known; i++)
			is_known = id_equal(&t->ids[i], &row.message);
		if (!is_known)
			t->ids[t->n_ids++] = row.message;
	}
	db_rows_close(&rows);
	return r == DB_NONE || r == 0 ? 0 : ERR_TRACE(r);
}

/* Calls on every day's database, newest first. A day that cannot be read is
 * passed over: its events are lost, the others are not. */
static int
each_day(struct trace *t, const struct events_days *days, struct slice address)
{
	struct store *store = t->j->asker.role->store;
	int r = 0;

	for (size_t d = 0; d < days->n && r == 0; d++) {
		struct db *day;

		if (events_open_day(store, days->names[d], &day) != 0)
			continue;
		if (address.len > 0)
			r = find_ids(t, day, address);
		else
			for (size_t i = 0; i < t->n_ids && r == 0; i++)
				r = trace_id(t, day, &t->ids[i]);
		db_close(day);
		if (address.len > 0 && t->n_ids == TRACE_IDS)
			break;
	}
	return ERR_TRACE(r);
}

static int
by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* "550 5.1.1 nobody": what kind of trouble that is. */
static struct slice
class_of(const struct line *l)
{
	struct verdict v = { .text = l->text };
	uint64_t code, class, subject, detail;

	if (!slice_equal(l->kind, SLICE("failed")) &&
	    !slice_equal(l->kind, SLICE("delayed")))
		return SLICE("");
	if (!slice_take_u64(&v.text, 599, &code) ||
	    !slice_skip_byte(&v.text, ' ') ||
	    !slice_take_u64(&v.text, 5, &class) ||
	    !slice_skip_byte(&v.text, '.') ||
	    !slice_take_u64(&v.text, 999, &subject) ||
	    !slice_skip_byte(&v.text, '.') ||
	    !slice_take_u64(&v.text, 999, &detail))
		return SLICE("");
	v.code = (uint16_t)code;
	v.esc = (struct esc){ (uint8_t) class, (uint16_t)subject,
		(uint16_t)detail };
	return slice_cstr(reply_class_name(reply_classify(&v)));
}

static int
put_lines(struct trace *t, uint64_t limit)
{
	char text[ID_TEXT + 1];
	size_t from = t->n > limit ? t->n - (size_t)limit : 0;
	int r = 0;

	if (t->n > 0)
		qsort(t->lines, t->n, sizeof(t->lines[0]), by_time);
	for (size_t i = from; i < t->n && r == 0; i++) {
		const struct line *l = &t->lines[i];

		id_print(&l->message, text);
		r = put_number(t->j, "time", (uint64_t)l->at);
		r |= put_text(t->j, "id", slice_cstr(text));
		r |= put_text(t->j, "event", l->kind);
		r |= put_text(t->j, "address", l->address);
		r |= put_text(t->j, "class", class_of(l));
		r |= put_text(t->j, "text", l->text);
		r |= put_text(t->j, "detail", l->detail);
		end_row(t->j);
	}
	return ERR_TRACE(r);
}

static int
find_subjects(struct db *db, struct trace *t, const struct events_days *days)
{
	struct slice address = arg(t->j, "address"), id = arg(t->j, "id");
	struct address a;
	int r;

	if (id.len > 0) {
		t->n_ids = 1;
		return id_parse(id, &t->ids[0]) ? 0 : ACCOUNT_E_ADDRESS;
	}
	r = address_read(db, address, &a);
	if (r != 0)
		return r;
	r = each_day(t, days, a.canonical);
	if (r == 0 && !slice_equal(a.canonical, address))
		r = each_day(t, days, address);
	return r;
}

int
tell_trace(struct db *db, struct admin_job *j)
{
	struct trace t = { .j = j };
	struct events_days *days = malloc(sizeof(*days));
	struct slice limit = arg(j, "limit");
	uint64_t most = TRACE_LIMIT;
	int r;

	if (days == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = limit.len == 0 || slice_to_u64(limit, 100000, &most)
	    ? events_days(j->asker.role->store, days)
	    : ACCOUNT_E_ADDRESS;
	if (r == 0)
		r = find_subjects(db, &t, days);
	if (r == 0)
		r = each_day(&t, days, SLICE(""));
	if (r == 0)
		r = t.n == 0 ? ACCOUNT_E_ABSENT : put_lines(&t, most);
	free(t.lines);
	free(days);
	return r < 0 ? ERR_TRACE(r) : r;
}
