/* SPDX-License-Identifier: ISC */
/*
 * The store role behind real channels: who may do what, and what answers look
 * like. The role runs in a child; this process plays its peers. What a front
 * could try (recipients that were not approved, handles of another front,
 * messages that are not its own) is tried.
 */
#include "base/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/role.h"
#include "sasl/sasl.h"
#include "store/store_fixture.h"
#include "sys/env_posix.h"

enum {
	SESSION = 7,
	KEEPER = 20,
	MX = 30,
	USER_A = 40,
	USER_B = 41,
	CONTROL = 50,
	BIG = 300000
};

/* Our end of a channel. */
struct end {
	int fd;
	struct wire_head head; /* of the last frame */
	struct slice payload;
	uint8_t *mem;
};

static struct {
	struct fixture f;
	struct settings settings;
	pid_t role;
	struct end supervisor, keeper, mx, a, b, control;
	struct id_source ids;
	uint64_t session; /* of the frames that are put */
} w;

/* -- frames
 * -------------------------------------------------------------------- */

static void
put_frame(struct end *e, uint16_t type, uint32_t ticket, struct buf *payload,
    int fd)
{
	struct wire_head h = { (uint32_t)payload->len, type, fd >= 0, w.session,
		ticket };
	uint8_t head[WIRE_HEAD];
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v[2] = { { head, sizeof(head) },
		{ (void *)(uintptr_t)buf_slice(payload).at, payload->len } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

	wire_head_encode(&h, head);
	if (fd >= 0) {
		m.msg_control = control;
		m.msg_controllen = sizeof(control);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &fd, sizeof(fd));
	}
	/* A role that ended the channel is found out by the next read. */
	(void)sendmsg(e->fd, &m, MSG_NOSIGNAL);
	buf_deinit(payload);
}

#define PUT(e, low, TYPE, ticket, ...)                                         \
	do {                                                                   \
		struct wire_##low m_ = { __VA_ARGS__ };                        \
		struct buf p_;                                                 \
                                                                               \
		buf_init(&p_, LIMIT_FRAME);                                    \
		test_int(wire_encode_##low(&p_, &m_), 0);                      \
		put_frame((e), WIRE_##TYPE, (ticket), &p_, -1);                \
	} while (0)

static bool
read_all(int fd, uint8_t *at, size_t n)
{
	while (n > 0) {
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t got;

		if (poll(&p, 1, 120000) != 1)
			fail_msg("no answer within two minutes");
		got = read(fd, at, n);
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

/* The next frame's type; 0 at the end of the channel. */
static uint16_t
get_frame(struct end *e)
{
	uint8_t head[WIRE_HEAD];

	free(e->mem);
	e->mem = NULL;
	if (!read_all(e->fd, head, sizeof(head)))
		return WIRE_NONE;
	test_true(wire_head_decode(head, &e->head));
	e->mem = malloc(e->head.len + 1u);
	assert_non_null(e->mem);
	test_true(read_all(e->fd, e->mem, e->head.len));
	e->payload = slice_of(e->mem, e->head.len);
	return e->head.type;
}

/* Waits for that type; others (STATE and the like) are passed over. */
#define GET(e, low, TYPE, ret)                                                 \
	do {                                                                   \
		uint16_t t_;                                                   \
                                                                               \
		while ((t_ = get_frame(e)) != WIRE_##TYPE)                     \
			test_true(t_ != WIRE_NONE);                            \
		test_int(wire_decode_##low((e)->payload, (ret)), WIRE_OK);     \
	} while (0)

static bool
is_thrown_out(struct end *e)
{
	uint16_t type;

	while ((type = get_frame(e)) != WIRE_NONE)
		;
	return true;
}

/* -- the world
 * --------------------------------------------------------------------- */

static void
add_peer(struct end *e, enum wire_role role, uint32_t instance)
{
	struct wire_peer m = { (uint8_t)role, instance, PEER_CHANNEL };
	struct buf p;
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	buf_init(&p, 64);
	test_int(wire_encode_peer(&p, &m), 0);
	put_frame(&w.supervisor, WIRE_PEER, 0, &p, pair[1]);
	(void)close(pair[1]);
	e->fd = pair[0];
}

static void
run_role(int fd)
{
	struct env_posix_options o = { .role = "store",
		.log_level = ENV_ERROR };
	struct env *env;

	if (env_posix_new(&o, &env) != 0)
		_exit(1);
	_exit(role_store(env, &w.settings, fd));
}

static bool is_crowded; /* the next setup fills the table of throttles */

/* As many throttles as there may be, but one: a command each would be long. */
static void
fill_throttles(const struct fixture *f)
{
	char path[300], sql[256];
	sqlite3 *db = NULL;

	(void)snprintf(path, sizeof(path), "%s/ulak.db", f->path);
	(void)snprintf(sql, sizeof(sql),
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
	    " WHERE i < %d) INSERT INTO throttle SELECT 1, 't' || i ||"
	    " '.example', 9, 1000000, 1, 0, 1 FROM n",
	    LIMIT_THROTTLES - 1);
	test_int(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"),
	    SQLITE_OK);
	test_int(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	test_int(sqlite3_close(db), SQLITE_OK);
}

static int
setup(void **state)
{
	int pair[2];

	(void)state;
	memset(&w, 0, sizeof(w));
	w.session = SESSION;
	fixture_make(&w.f);
	test_int(store_account_add(w.f.store, SLICE("otto@one.example"),
		     SLICE(""), SLICE("v"), NULL),
	    0);
	test_int(store_alias_add(w.f.store, SLICE("info@one.example"),
		     SLICE("anna@one.example")),
	    0);
	fixture_close(&w.f);
	if (is_crowded)
		fill_throttles(&w.f);
	(void)snprintf(w.settings.data, sizeof(w.settings.data), "%s",
	    w.f.path);
	(void)snprintf(w.settings.hostname, sizeof(w.settings.hostname),
	    "mx.one.example");
	w.settings.max_size = 1024 * 1024;
	w.settings.lifetime = 1000000;
	(void)snprintf(w.settings.relay_networks,
	    sizeof(w.settings.relay_networks), "203.0.113.0/24");
	w.settings.relay_own_senders = true;
	w.settings.clients_open = w.settings.clients_open_users = 2;
	w.settings.clients_unknown = 1;
	w.settings.greylist_delay = TIME_HOUR;
	w.settings.greylist_window = w.settings.greylist_lifetime = TIME_DAY;
	test_int(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	w.role = fork();
	test_true(w.role >= 0);
	if (w.role == 0) {
		(void)close(pair[0]);
		run_role(pair[1]);
	}
	(void)close(pair[1]);
	w.supervisor.fd = pair[0];
	add_peer(&w.keeper, WIRE_KEEPER, KEEPER);
	add_peer(&w.mx, WIRE_MX, MX);
	add_peer(&w.a, WIRE_USER, USER_A);
	add_peer(&w.b, WIRE_USER, USER_B);
	add_peer(&w.control, WIRE_CONTROL, CONTROL);
	PUT(&w.supervisor, start, START, 0, .instance = 1);
	test_int(get_frame(&w.supervisor), WIRE_READY);
	return 0;
}

static int
teardown(void **state)
{
	struct end *all[] = { &w.supervisor, &w.keeper, &w.mx, &w.a, &w.b,
		&w.control };
	int status;

	(void)state;
	PUT(&w.supervisor, stop, STOP, 0, 0);
	test_int(waitpid(w.role, &status, 0), w.role);
	test_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		(void)close(all[i]->fd);
		free(all[i]->mem);
	}
	fixture_open(&w.f, false, 0);
	fixture_verify(&w.f, UINT64_MAX, 0);
	fixture_close(&w.f);
	fixture_drop(&w.f);
	return 0;
}

static uint32_t
log_in(struct end *front, uint32_t instance, uint32_t scopes)
{
	struct wire_handle m;

	PUT(&w.keeper, grant, GRANT, 5, .front = instance,
	    .account = w.f.account, .scopes = scopes);
	GET(front, handle, HANDLE, &m);
	test_int(front->head.ticket, 5);
	test_slice(m.address, SLICE("anna@one.example"));
	return m.handle;
}

static unsigned
rcpt(struct end *e, uint32_t handle, uint64_t txn, struct slice address)
{
	struct wire_rcpt_answer m;

	PUT(e, rcpt_ask, RCPT_ASK, 9, .handle = handle, .txn = txn,
	    .rcpt = address);
	GET(e, rcpt_answer, RCPT_ANSWER, &m);
	test_int(e->head.ticket, 9);
	return m.verdict.code;
}

static unsigned
mail(struct end *e, uint32_t handle, uint64_t txn, struct slice sender)
{
	struct wire_mail_answer m;

	PUT(e, mail_ask, MAIL_ASK, 8, .handle = handle, .txn = txn,
	    .sender = sender);
	GET(e, mail_answer, MAIL_ANSWER, &m);
	return m.verdict.code;
}

/* Without waiting for credit: what exceeds it would be refused, with a 451, as
 * soon as the store's thread is slow. */
static void
put_body(struct end *e, uint64_t body, size_t n)
{
	static uint8_t data[LIMIT_CHUNK];

	test_true(n <= LIMIT_SMALL_BODY + LIMIT_CREDIT);
	memset(data, 'x', sizeof(data));
	PUT(e, body_open, BODY_OPEN, 0, .body = body);
	while (n > 0) {
		size_t now = n < sizeof(data) ? n : sizeof(data);

		PUT(e, body_chunk, BODY_CHUNK, 0, .body = body,
		    .data = slice_of(data, now));
		n -= now;
	}
}

static unsigned
commit(struct end *e, uint32_t handle, uint64_t txn, uint64_t body,
    struct slice sender)
{
	struct wire_done m;
	struct id id;

	id_make(&w.ids, 1764000000000000, 42, &id);
	PUT(e, commit, COMMIT, 10, .handle = handle, .txn = txn, .body = body,
	    .id = id, .sender = sender, .protocol = SLICE("ESMTP"));
	GET(e, done, DONE, &m);
	test_true(id_equal(&m.id, &id));
	return m.verdict.code;
}

/* -- mail
 * ------------------------------------------------------------------------------
 */

static const struct slice ANNA = { (const uint8_t *)"anna@one.example", 16 };
static const struct slice STRANGER = { (const uint8_t *)"b@two.example", 13 };

static void
only_the_approved_are_reached(void **state)
{
	(void)state;
	put_body(&w.mx, 1, 100);
	test_int(commit(&w.mx, 0, 1, 1, STRANGER), 451); /* nobody approved */
	test_int(rcpt(&w.mx, 0, 2, SLICE("nobody@one.example")), 550);
	test_int(rcpt(&w.mx, 0, 2, SLICE("x@far.example")), 550);
	put_body(&w.mx, 2, 100);
	test_int(commit(&w.mx, 0, 2, 2, STRANGER), 451); /* only refusals */
	test_int(rcpt(&w.mx, 0, 3, ANNA), 250);
	test_int(rcpt(&w.mx, 0, 3, SLICE("Postmaster")), 250);
	test_int(commit(&w.mx, 0, 3, 99, STRANGER), 451); /* no such body */
	test_int(rcpt(&w.mx, 0, 4, ANNA), 250);
	put_body(&w.mx, 4, 100);
	test_int(commit(&w.mx, 0, 4, 4, STRANGER), 250);
	put_body(&w.mx, 5, 100);
	test_int(commit(&w.mx, 0, 4, 5, STRANGER), 451); /* used up */
	test_int(rcpt(&w.mx, 0, 6, ANNA), 250);
	PUT(&w.mx, txn_drop, TXN_DROP, 0, .txn = 6);
	put_body(&w.mx, 6, 100);
	test_int(commit(&w.mx, 0, 6, 6, STRANGER), 451); /* dropped */
}

static void
a_front_cannot_borrow_a_login(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_SUBMIT);

	(void)state;
	test_true(handle != 0);
	test_int(rcpt(&w.mx, handle, 1, SLICE("x@far.example")), 550);
	test_int(rcpt(&w.b, handle, 1, SLICE("x@far.example")), 550);
	test_int(mail(&w.b, handle, 1, ANNA), 451);
	test_int(rcpt(&w.mx, 0, 2, ANNA), 250);
	put_body(&w.mx, 1, 10);
	test_int(commit(&w.mx, handle, 2, 1, ANNA), 451);
	test_int(mail(&w.a, handle, 3, STRANGER), 553);
	test_int(mail(&w.a, handle, 4, SLICE("Info@One.Example")), 250);
	test_int(mail(&w.a, handle, 5, ANNA), 250);
	test_int(rcpt(&w.a, handle, 5, SLICE("x@far.example")), 250);
	put_body(&w.a, 2, 10);
	test_int(commit(&w.a, handle, 5, 2, STRANGER), 451); /* other sender */
	test_int(mail(&w.a, handle, 6, ANNA), 250);
	test_int(rcpt(&w.a, handle, 6, SLICE("x@far.example")), 250);
	put_body(&w.a, 3, 10);
	test_int(commit(&w.a, handle, 6, 3, ANNA), 250);
	PUT(&w.a, handle_drop, HANDLE_DROP, 0, .handle = handle);
	test_int(mail(&w.a, handle, 7, ANNA), 451);
}

static void
scopes_hold(void **state)
{
	uint32_t submit = log_in(&w.a, USER_A, GRANT_SUBMIT);
	uint32_t reader = log_in(&w.a, USER_A, GRANT_READ);
	struct wire_mailbox_rows rows;
	struct wire_mailbox_done done;

	(void)state;
	PUT(&w.a, mailbox_list, MAILBOX_LIST, 1, .handle = submit);
	GET(&w.a, mailbox_rows, MAILBOX_ROWS, &rows);
	test_int(rows.verdict.code, 451);
	PUT(&w.a, mailbox_list, MAILBOX_LIST, 1, .handle = reader);
	GET(&w.a, mailbox_rows, MAILBOX_ROWS, &rows);
	test_int(rows.verdict.code, 250);
	test_int(rows.rows.n, 6);
	PUT(&w.a, mailbox_change, MAILBOX_CHANGE, 2, .handle = reader,
	    .what = MAILBOX_CREATE, .name = SLICE("new"));
	GET(&w.a, mailbox_done, MAILBOX_DONE, &done);
	test_int(done.verdict.code, 451);
	test_int(mail(&w.a, reader, 7, ANNA), 451);
}

static void
messages_of_others_end_the_channel(void **state)
{
	(void)state;
	PUT(&w.mx, mailbox_list, MAILBOX_LIST, 1, .handle = 1);
	test_true(is_thrown_out(&w.mx));
	PUT(&w.b, grant, GRANT, 1, .front = USER_B, .account = 1, .scopes = 7);
	test_true(is_thrown_out(&w.b));
	PUT(&w.a, admin_ask, ADMIN_ASK, 1, .command = SLICE("status"));
	test_true(is_thrown_out(&w.a));
	/* the others do not notice */
	PUT(&w.keeper, verifier_get, VERIFIER_GET, 3, .address = ANNA);
	for (;;) {
		struct wire_verifier v;
		struct wire_credential row;

		GET(&w.keeper, verifier, VERIFIER, &v);
		test_true(v.found);
		test_true(wire_credential_next(&v.rows, &row));
		test_slice(row.verifiers, SLICE("verifier"));
		break;
	}
}

static void
too_large_is_refused(void **state)
{
	static const uint8_t data[LIMIT_CHUNK];
	struct wire_body_refused no;
	struct wire_body_credit more;
	uint64_t credit = LIMIT_CREDIT;

	(void)state;
	PUT(&w.mx, body_open, BODY_OPEN, 0, .body = 1);
	for (unsigned i = 0; i < 18; i++) { /* 17 are what it may be at most */
		while (credit < sizeof(data)) {
			GET(&w.mx, body_credit, BODY_CREDIT, &more);
			credit += more.bytes;
		}
		credit -= sizeof(data);
		PUT(&w.mx, body_chunk, BODY_CHUNK, 0, .body = 1,
		    .data = slice_of(data, sizeof(data)));
	}
	GET(&w.mx, body_refused, BODY_REFUSED, &no);
	test_int(no.body, 1);
	test_int(no.verdict.code, 552);
	PUT(&w.mx, body_drop, BODY_DROP, 0, .body = 1);
	test_int(rcpt(&w.mx, 0, 1, ANNA), 250); /* it goes on */
}

/* -- views
 * --------------------------------------------------------------------------------
 */

static uint64_t
open_box(uint32_t handle, bool exclusive, unsigned want)
{
	struct wire_mailbox_opened m;

	PUT(&w.a, mailbox_open, MAILBOX_OPEN, 1, .handle = handle,
	    .name = SLICE("inbox"), .exclusive = exclusive);
	GET(&w.a, mailbox_opened, MAILBOX_OPENED, &m);
	test_int(m.verdict.code, want);
	return m.box.mailbox;
}

struct scanned {
	unsigned n_rows, n_gone;
	uint64_t upto;
	uint32_t last_uid;
	uint8_t last_flags;
};

static struct scanned
scan(uint32_t handle, uint64_t box, uint64_t since)
{
	struct scanned got = { 0 };
	struct wire_scan_rows m;
	struct wire_entry entry;
	struct wire_range range;

	PUT(&w.a, scan, SCAN, 2, .handle = handle, .mailbox = box, .lo = 1,
	    .hi = UINT32_MAX, .since = since);
	do {
		GET(&w.a, scan_rows, SCAN_ROWS, &m);
		test_int(m.verdict.code, 250);
		while (wire_entry_next(&m.rows, &entry)) {
			test_true(entry.uid > got.last_uid);
			got.last_uid = entry.uid;
			got.last_flags = entry.flags;
			got.n_rows++;
		}
		while (wire_range_next(&m.gone, &range))
			got.n_gone += range.hi - range.lo + 1;
		got.upto = m.upto;
	} while (m.more);
	return got;
}

static void
deliver(uint64_t n, size_t size)
{
	test_int(rcpt(&w.mx, 0, n, ANNA), 250);
	put_body(&w.mx, n, size);
	test_int(commit(&w.mx, 0, n, n, STRANGER), 250);
}

static struct wire_list
one_range(struct buf *b, uint32_t lo, uint32_t hi)
{
	struct wire_range range = { lo, hi };

	buf_init(b, 64);
	test_int(wire_range_add(b, &range), 0);
	return (struct wire_list){ buf_slice(b), 1 };
}

static void
views_hear_of_changes(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint64_t box = open_box(handle, false, 250);
	struct wire_changed changed;
	struct wire_flags_done flags;
	struct wire_expunged gone;
	struct scanned all, next;
	struct buf b;

	(void)state;
	for (uint64_t i = 1; i <= 150; i++)
		deliver(i, 10);
	GET(&w.a, changed, CHANGED, &changed);
	test_int(changed.mailbox, box);
	all = scan(handle, box, 0);
	test_int(all.n_rows, 150);
	deliver(200, 10);
	GET(&w.a, changed, CHANGED, &changed);
	next = scan(handle, box, all.upto);
	test_int(next.n_rows, 1);
	test_int(next.last_uid, 151);

	PUT(&w.a, flags_store, FLAGS_STORE, 3, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 5, 7), .mode = FLAGS_ADD,
	    .flags = FLAG_SEEN | FLAG_DELETED);
	buf_deinit(&b);
	GET(&w.a, flags_done, FLAGS_DONE, &flags);
	test_int(flags.verdict.code, 250);
	GET(&w.a, changed, CHANGED, &changed);
	all = scan(handle, box, next.upto);
	test_int(all.n_rows, 3);
	test_int(all.last_uid, 7);
	test_int(all.last_flags, FLAG_SEEN | FLAG_DELETED);

	PUT(&w.a, expunge, EXPUNGE, 4, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 1, UINT32_MAX));
	buf_deinit(&b);
	GET(&w.a, expunged, EXPUNGED, &gone);
	test_int(gone.n, 3);
	GET(&w.a, changed, CHANGED, &changed);
	next = scan(handle, box, all.upto);
	test_int(next.n_rows, 0);
	test_int(next.n_gone, 3);
	test_int(scan(handle, box, 0).n_rows, 148);
}

/* RFC 7162, 3.1.3: decided where the change is made; 3.2.6: what left since
 * any modseq, beside all rows. */
static void
conditional_changes_say_what_they_left(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint64_t box = open_box(handle, false, 250);
	struct wire_flags_done flags;
	struct wire_expunged gone;
	struct wire_scan_rows m;
	struct wire_range range = { 0 };
	struct scanned all;
	struct buf b;

	(void)state;
	for (uint64_t i = 1; i <= 10; i++)
		deliver(i, 10);
	all = scan(handle, box, 0);
	PUT(&w.a, flags_store, FLAGS_STORE, 3, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 4, 5), .flags = FLAG_SEEN);
	buf_deinit(&b);
	GET(&w.a, flags_done, FLAGS_DONE, &flags);
	test_int(flags.modified.n, 0);
	PUT(&w.a, flags_store, FLAGS_STORE, 3, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 1, 10), .mode = FLAGS_ADD,
	    .flags = FLAG_DELETED, .is_conditional = true,
	    .unchanged_since = all.upto);
	buf_deinit(&b);
	GET(&w.a, flags_done, FLAGS_DONE, &flags);
	test_int(flags.verdict.code, 250);
	test_true(wire_range_next(&flags.modified, &range));
	test_int(range.lo, 4);
	test_int(range.hi, 5);
	test_true(!wire_range_next(&flags.modified, &range) && !flags.more);

	PUT(&w.a, expunge, EXPUNGE, 4, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 1, UINT32_MAX));
	buf_deinit(&b);
	GET(&w.a, expunged, EXPUNGED, &gone);
	test_int(gone.n, 8);
	PUT(&w.a, scan, SCAN, 2, .handle = handle, .mailbox = box, .lo = 1,
	    .hi = UINT32_MAX, .gone_since = all.upto);
	GET(&w.a, scan_rows, SCAN_ROWS, &m);
	test_int(m.rows.n, 2);
	test_int(m.gone.n, 2);
	test_int(m.modseq, gone.modseq);
	test_true(m.floor < all.upto);
	PUT(&w.a, scan, SCAN, 2, .handle = handle, .mailbox = box, .lo = 1,
	    .hi = UINT32_MAX, .since = m.upto, .gone_since = m.upto);
	GET(&w.a, scan_rows, SCAN_ROWS, &m);
	test_int(m.rows.n + m.gone.n, 0);
}

/* More than a channel holds, asked for by a front that does not read yet. */
static void
changes_come_as_the_front_takes_them(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint64_t box = open_box(handle, false, 250);
	struct wire_flags_done flags;
	struct wire_scan_rows m;
	char keyword[1000];
	unsigned n_rows = 0, n_ends = 0;
	struct buf b;

	(void)state;
	for (uint64_t i = 1; i <= 150; i++)
		deliver(i, 10);
	memset(keyword, 'k', sizeof(keyword));
	PUT(&w.a, flags_store, FLAGS_STORE, 3, .handle = handle, .mailbox = box,
	    .uids = one_range(&b, 1, UINT32_MAX), .mode = FLAGS_ADD,
	    .keywords = slice_of(keyword, sizeof(keyword)));
	buf_deinit(&b);
	GET(&w.a, flags_done, FLAGS_DONE, &flags);
	test_int(flags.verdict.code, 250);
	for (unsigned i = 0; i < 300; i++)
		PUT(&w.a, scan, SCAN, 2, .handle = handle, .mailbox = box,
		    .lo = 1, .hi = UINT32_MAX, .since = 1);
	(void)usleep(1500000); /* the store puts up all it wants */
	while (n_ends < 300) {
		GET(&w.a, scan_rows, SCAN_ROWS, &m);
		test_int(m.verdict.code, 250);
		n_rows += m.rows.n;
		n_ends += !m.more;
	}
	test_int(n_rows, 300 * 150);
}

static void
bodies_come_as_credit_allows(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_READ);
	uint64_t box = open_box(handle, false, 250);
	struct wire_body_data m;
	size_t got = 0;

	(void)state;
	deliver(1, BIG);
	PUT(&w.a, body_read, BODY_READ, 77, .handle = handle, .mailbox = box,
	    .uid = 1, .offset = 0, .length = UINT64_MAX);
	do {
		GET(&w.a, body_data, BODY_DATA, &m);
		test_int(w.a.head.ticket, 77);
		test_int(m.verdict.code, 250);
		got += m.data.len;
		if (!m.last)
			PUT(&w.a, read_credit, READ_CREDIT, 77,
			    .bytes = (uint32_t)m.data.len);
	} while (!m.last);
	test_int(got, BIG);
	PUT(&w.a, body_read, BODY_READ, 78, .handle = handle, .mailbox = box,
	    .uid = 1, .offset = BIG - 5, .length = 100);
	GET(&w.a, body_data, BODY_DATA, &m);
	test_slice(m.data, SLICE("xxxxx"));
	test_true(m.last);
	PUT(&w.a, body_read, BODY_READ, 79, .handle = handle, .mailbox = box,
	    .uid = 2, .length = 1);
	GET(&w.a, body_data, BODY_DATA, &m);
	test_int(m.verdict.code, BOX_EXPUNGED);
	PUT(&w.a, body_read, BODY_READ, 80, .handle = handle, .mailbox = box,
	    .uid = 1, .offset = UINT64_MAX, .length = UINT64_MAX);
	GET(&w.a, body_data, BODY_DATA, &m);
	test_int(m.data.len, 0);
	test_true(m.last);
}

static uint32_t
first_recent_of(uint32_t handle)
{
	struct wire_mailbox_opened m;

	PUT(&w.a, mailbox_open, MAILBOX_OPEN, 1, .handle = handle,
	    .name = SLICE("INBOX"), .read_only = true);
	GET(&w.a, mailbox_opened, MAILBOX_OPENED, &m);
	test_int(m.verdict.code, 250);
	return m.box.recent;
}

/* RFC 3501, 2.3.2: told to one session, recent to no other. */
static void
recent_is_for_who_hears_first(void **state)
{
	uint32_t one = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint32_t two = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint32_t three = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint64_t box = open_box(one, false, 250);
	struct wire_changed changed;
	struct scanned all;

	(void)state;
	all = scan(one, box, 0);
	deliver(1, 10);
	GET(&w.a, changed, CHANGED, &changed);
	test_int(first_recent_of(two), 1); /* nobody was told yet */
	(void)scan(one, box, all.upto);
	test_int(first_recent_of(two), 0);
	PUT(&w.a, handle_drop, HANDLE_DROP, 0, .handle = one);
	test_int(first_recent_of(three), 0); /* nor when it has left */
}

static void
one_pop3_session_at_a_time(void **state)
{
	uint32_t one = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);
	uint32_t two = log_in(&w.a, USER_A, GRANT_READ | GRANT_WRITE);

	(void)state;
	(void)open_box(one, true, 250);
	(void)open_box(two, true, BOX_IN_USE);
	(void)open_box(two, false, 250);
	PUT(&w.a, handle_drop, HANDLE_DROP, 0, .handle = one);
	(void)open_box(two, true, 250);
}

static unsigned
admin_with(const char *command, const struct wire_field *args, uint32_t n)
{
	struct wire_admin_rows m;
	struct buf b;

	buf_init(&b, 4096);
	for (uint32_t i = 0; i < n; i++)
		test_int(wire_field_add(&b, &args[i]), 0);
	PUT(&w.control, admin_ask, ADMIN_ASK, 4, .command = slice_cstr(command),
	    .args = { buf_slice(&b), n });
	buf_deinit(&b);
	do
		GET(&w.control, admin_rows, ADMIN_ROWS, &m);
	while (m.more);
	return m.verdict.code;
}

static unsigned
admin(const char *command, const char *name, const char *value,
    const char *name2, const char *value2)
{
	const struct wire_field args[] = { { slice_cstr(name),
					       slice_cstr(value) },
		{ slice_cstr(name2), slice_cstr(value2) } };

	return admin_with(command, args,
	    (name != NULL ? 1u : 0u) + (name2 != NULL ? 1u : 0u));
}

static const struct {
	const char *command, *name, *value, *name2, *value2;
	unsigned want;
} asks[] = {
	{ "domain add", "domain", "B\xc3\xbc\x63her.example", NULL, NULL, 250 },
	{ "domain add", "domain", "xn--bcher-kva.example", NULL, NULL, 550 },
	{ "domain add", "domain", "not a domain", NULL, NULL, 501 },
	{ "domain add", "what", "x.example", NULL, NULL, 501 },
	{ "domain list", NULL, NULL, NULL, NULL, 250 },
	{ "domain remove", "domain", "one.example", NULL, NULL, 550 },
	{ "account add", "address", "new@one.example", "verifier", "v", 250 },
	{ "account add", "address", "New@one.example", "verifier", "v", 550 },
	{ "account add", "address", "info@one.example", "verifier", "v", 550 },
	{ "account add", "address", "a@no.example", "verifier", "v", 550 },
	{ "account list", "domain", "one.example", NULL, NULL, 250 },
	{ "account quota", "address", "new@one.example", "quota", "10", 250 },
	{ "account quota", "address", "new@one.example", "quota", "-1", 501 },
	{ "account remove", "address", "new@one.example", NULL, NULL, 250 },
	{ "account remove", "address", "new@one.example", NULL, NULL, 550 },
	{ "alias add", "address", "x@one.example", "target", "y@far.example",
	    250 },
	{ "alias list", NULL, NULL, NULL, NULL, 250 },
	{ "alias remove", "address", "x@one.example", NULL, NULL, 250 },
	{ "alias remove", "address", "x@one.example", NULL, NULL, 550 },
	{ "status", NULL, NULL, NULL, NULL, 250 },
	{ "status", "x", "y", NULL, NULL, 501 },
	{ "verify", NULL, NULL, NULL, NULL, 250 },
	{ "trace", NULL, NULL, NULL, NULL, 501 },
	{ "trace", "id", "01M83MPTJQ000C24FR0KVA2XMM", NULL, NULL, 550 },
	{ "key list", NULL, NULL, NULL, NULL, 250 },
	{ "key remove", "key", "9", NULL, NULL, 550 },
	{ "no such", NULL, NULL, NULL, NULL, 500 },
};

static void
the_admin_is_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		test_case(asks[i].command);
		test_int(admin(asks[i].command, asks[i].name, asks[i].value,
			     asks[i].name2, asks[i].value2),
		    asks[i].want);
	}
}

/* Options, lists and what they lead to. "k=v k=v" is every argument; lines of
 * a value are told apart by "|". */
static const struct {
	const char *command, *args;
	unsigned want;
} option_asks[] = {
	{ "domain set", "domain=one.example subaddress=+-", 250 },
	{ "domain set", "domain=one.example", 501 },
	{ "domain set", "domain=one.example subaddress=a", 501 },
	{ "domain set", "domain=one.example colour=blue", 501 },
	{ "domain set", "domain=no.example case=keep", 550 },
	{ "domain set", "domain=one.example kind=alias target=no.example",
	    550 },
	{ "domain set", "domain=one.example kind=alias target=one.example",
	    550 },
	{ "domain set", "domain=one.example catch_all=nobody@one.example",
	    550 },
	{ "domain set", "domain=one.example catch_all=anna@one.example", 250 },
	{ "domain set", "domain=one.example catch_all=none", 250 },
	{ "domain show", "domain=ONE.example", 250 },
	{ "domain show", "domain=no.example", 550 },
	{ "domain add", "domain=bad.example kind=what", 501 },
	{ "domain show", "domain=bad.example", 550 },
	{ "domain add", "domain=relay.example kind=relay", 250 },
	{ "domain rcpt add", "domain=relay.example addresses=jo|al", 250 },
	{ "domain rcpt add", "domain=relay.example addresses=ed|jo", 550 },
	{ "domain rcpt remove", "domain=relay.example addresses=ed", 550 },
	{ "domain rcpt add", "domain=relay.example addresses=ed|jo may_exist=1",
	    250 },
	{ "domain rcpt remove", "domain=relay.example addresses=ed|jo", 250 },
	{ "domain rcpt add", "domain=one.example addresses=jo", 550 },
	{ "domain rcpt add", "domain=relay.example addresses=", 501 },
	{ "domain rcpt list", "domain=relay.example", 250 },
	{ "domain rcpt list", "domain=one.example", 550 },
	{ "domain list", "", 250 },
	{ "domain remove", "domain=relay.example", 250 },
	{ "group add",
	    "address=crew@one.example owner=anna@one.example post=members",
	    250 },
	{ "group add", "address=crew@one.example", 550 },
	{ "group add", "address=x@one.example post=all", 501 },
	{ "group set", "address=crew@one.example owner=x@far.example", 550 },
	{ "group set", "address=crew@one.example post=anyone", 250 },
	{ "group set", "address=crew@one.example", 501 },
	{ "group set", "address=none@one.example post=anyone", 550 },
	{ "group show", "address=crew@one.example", 250 },
	{ "group show", "address=none@one.example", 550 },
	{ "group list", "domain=one.example", 250 },
	{ "group member add",
	    "address=crew@one.example members=anna@one.example|m@far.example",
	    250 },
	{ "group member add",
	    "address=crew@one.example members=n@far.example|m@far.example",
	    550 },
	{ "group member remove",
	    "address=crew@one.example members=n@far.example", 550 },
	{ "group member add",
	    "address=crew@one.example members=crew@one.example", 550 },
	{ "group member list", "address=crew@one.example", 250 },
	{ "group member list", "address=none@one.example", 550 },
	{ "address", "address=crew@one.example size=100", 250 },
	{ "address", "address=crew@one.example size=much", 501 },
	{ "address", "address=a@far.example login=anna@one.example", 250 },
	{ "address", "address=a@far.example login=x@one.example", 550 },
	{ "address", "address=nonsense", 250 },
	{ "group remove", "address=crew@one.example", 250 },
	{ "group remove", "address=crew@one.example", 550 },
	{ "account set",
	    "address=anna@one.example name=Anna quota=none "
	    "messages_per_hour=3",
	    250 },
	{ "account set", "address=anna@one.example quota=-1", 501 },
	{ "account set", "address=nobody@one.example quota=1", 550 },
	{ "account show", "address=anna@one.example", 250 },
	{ "account show", "address=nobody@one.example", 550 },
	{ "account send-as add",
	    "address=anna@one.example sender=x@far.example", 250 },
	{ "account send-as add",
	    "address=anna@one.example sender=x@far.example", 550 },
	{ "account send-as add", "address=anna@one.example sender=@far.example",
	    550 },
	{ "account send-as list", "address=anna@one.example", 250 },
	{ "account send-as remove",
	    "address=anna@one.example sender=x@far.example", 250 },
	{ "account send-as remove",
	    "address=anna@one.example sender=x@far.example", 550 },
};

static unsigned
admin_words(const char *command, const char *args)
{
	struct wire_field fields[16];
	char text[512];
	uint32_t n = 0;

	(void)snprintf(text, sizeof(text), "%s", args);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '|')
			*c = '\n';
	for (char *at = text, *next; at != NULL && *at != '\0'; at = next) {
		char *value = strchr(at, '=');

		next = strchr(at, ' ');
		if (next != NULL)
			*next++ = '\0';
		*value++ = '\0';
		fields[n++] =
		    (struct wire_field){ slice_cstr(at), slice_cstr(value) };
	}
	return admin_with(command, fields, n);
}

static void
options_and_lists_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(option_asks) / sizeof(option_asks[0]);
	     i++) {
		test_case(option_asks[i].args);
		test_int(admin_words(option_asks[i].command,
			     option_asks[i].args),
		    option_asks[i].want);
	}
}

/* More than one write takes. */
static void
too_many_names_are_refused(void **state)
{
	static char names[16 * 1024];
	struct wire_field args[16] = { { SLICE("domain"),
	    SLICE("relay.example") } };
	size_t n = 0;
	uint32_t n_args = 1;

	(void)state;
	test_int(admin_words("domain add", "domain=relay.example kind=relay"),
	    250);
	for (unsigned i = 0; i <= 200; i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%sn%u",
		    i > 0 ? "\n" : "", i);
	for (size_t at = 0; at < n; at += 1024)
		args[n_args++] = (struct wire_field){ SLICE("addresses"),
			slice_upto(slice_of(names + at, n - at), 1024) };
	test_int(admin_with("domain rcpt add", args, n_args), 550);
	args[n_args - 1].value.len -= 5; /* the last of them */
	test_int(admin_with("domain rcpt add", args, n_args), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("n0@relay.example")), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("n200@relay.example")), 550);
}

static int
setup_crowded(void **state)
{
	int r;

	is_crowded = true;
	r = setup(state);
	is_crowded = false;
	return r;
}

/* Neither table grows without end; what is there can be changed all the same.
 */
static void
throttles_and_warmups_are_bounded(void **state)
{
	char args[96];

	(void)state;
	for (unsigned i = 0; i < LIMIT_WARMUPS; i++) {
		(void)snprintf(args, sizeof(args), "address=192.0.2.%u", i + 1);
		test_int(admin_words("warmup add", args), 250);
	}
	test_int(admin_words("warmup add", "address=192.0.2.200"), 550);
	test_int(admin_words("warmup remove", "address=192.0.2.1"), 250);
	test_int(admin_words("warmup add", "address=2001:db8::1"), 250);
	test_int(admin_words("throttle set",
		     "subject=tenant:last.example mails=9"),
	    250);
	test_int(admin_words("throttle set",
		     "subject=tenant:more.example mails=9"),
	    550);
	test_int(admin_words("throttle set",
		     "subject=tenant:t7.example mails=8"),
	    250);
	test_int(admin_words("throttle unset", "subject=tenant:t8.example"),
	    250);
	test_int(admin_words("throttle set",
		     "subject=tenant:more.example mails=9"),
	    250);
}

static void
a_new_password_ends_logins(void **state)
{
	uint32_t handle = log_in(&w.a, USER_A, GRANT_SUBMIT);

	(void)state;
	test_int(mail(&w.a, handle, 1, ANNA), 250);
	test_int(admin("account password", "address", "anna@one.example",
		     "verifier", "other"),
	    250);
	test_int(mail(&w.a, handle, 2, ANNA), 451);
}

static void
a_full_mailbox_says_later(void **state)
{
	(void)state;
	test_int(admin("account quota", "address", "anna@one.example", "quota",
		     "1000"),
	    250);
	deliver(1, 900);
	test_int(rcpt(&w.mx, 0, 2, ANNA), 250);
	put_body(&w.mx, 2, 900);
	test_int(commit(&w.mx, 0, 2, 2, STRANGER), 452);
	test_int(rcpt(&w.mx, 0, 3, ANNA), 250);
	put_body(&w.mx, 3, 100);
	test_int(commit(&w.mx, 0, 3, 3, STRANGER), 250);
	test_int(admin("domain add", "domain", "forget.example", NULL, NULL),
	    250);
	test_int(rcpt(&w.mx, 0, 4, ANNA), 452);
}

static unsigned
verify(struct end *e, uint64_t txn, uint8_t how, const char *address,
    struct wire_rcpt_answer *ret)
{
	PUT(e, rcpt_ask, RCPT_ASK, 11, .txn = txn, .how = how,
	    .rcpt = slice_cstr(address));
	GET(e, rcpt_answer, RCPT_ANSWER, ret);
	test_int(e->head.ticket, 11);
	return ret->verdict.code;
}

/* VRFY and EXPN */
static void
what_is_verified_is_not_kept(void **state)
{
	struct wire_rcpt_answer m;
	struct wire_member row;
	char target[64];

	(void)state;
	test_int(verify(&w.mx, 1, VERIFY_RCPT, "anna@one.example", &m), 250);
	test_int(m.rows.n, 0);
	test_int(verify(&w.mx, 1, VERIFY_RCPT, "x@one.example", &m), 550);
	put_body(&w.mx, 1, 100);
	test_int(commit(&w.mx, 0, 1, 1, STRANGER), 451); /* nobody approved */

	test_case("what another server would know is not said to be there");
	test_int(admin("domain add", "domain", "far.example", "kind", "relay"),
	    250);
	test_int(admin("domain rcpt add", "domain", "far.example", "addresses",
		     "kay@far.example"),
	    250);
	for (uint8_t how = VERIFY_RCPT; how <= VERIFY_EXPAND; how++) {
		test_int(verify(&w.mx, 0, how, "kay@far.example", &m), 252);
		test_int(m.rows.n, 0);
	}
	test_int(admin("domain rcpt remove", "domain", "far.example",
		     "addresses", "kay@far.example"),
	    250);
	test_int(admin("domain remove", "domain", "far.example", NULL, NULL),
	    250);

	test_int(verify(&w.mx, 0, VERIFY_EXPAND, "info@one.example", &m), 250);
	test_int(m.rows.n, 1);
	test_true(wire_member_next(&m.rows, &row));
	test_slice(row.address, ANNA);
	test_int(verify(&w.mx, 0, VERIFY_EXPAND, "x@one.example", &m), 550);
	for (unsigned i = 0; i <= LIMIT_EXPN; i++) {
		(void)snprintf(target, sizeof(target), "u%u@far.example", i);
		test_int(admin("alias add", "address", "big@one.example",
			     "target", target),
		    250);
		if (i == LIMIT_EXPN - 1) {
			test_int(verify(&w.mx, 0, VERIFY_EXPAND,
				     "big@one.example", &m),
			    250);
			test_int(m.rows.n, LIMIT_EXPN);
		}
	}
	test_int(admin("domain add", "domain", "forget.example", NULL, NULL),
	    250);
	test_int(verify(&w.mx, 0, VERIFY_EXPAND, "big@one.example", &m), 250);
	test_int(m.rows.n, 0);

	test_case("LMTP relays for nobody");
	PUT(&w.mx, rcpt_ask, RCPT_ASK, 9, .txn = 7, .is_lmtp = true,
	    .client = SLICE("192.0.2.7"), .rcpt = SLICE("x@far.example"));
	GET(&w.mx, rcpt_answer, RCPT_ANSWER, &m);
	test_int(m.verdict.code, 550);
}

static void
is_verifier(struct slice want)
{
	struct wire_verifier m;
	struct wire_credential row;

	PUT(&w.keeper, verifier_get, VERIFIER_GET, 6, .address = ANNA);
	GET(&w.keeper, verifier, VERIFIER, &m);
	test_true(m.found);
	test_true(wire_credential_next(&m.rows, &row));
	test_int(row.n, 0);
	test_int(row.services, SASL_FOR_ALL);
	test_slice(row.verifiers, want);
}

/* Rows that log in now, each as "n:services:verifiers ". */
static void
credentials_are(const char *want)
{
	struct wire_verifier m;
	struct wire_credential row;
	char text[512] = "";
	size_t n = 0;

	PUT(&w.keeper, verifier_get, VERIFIER_GET, 6, .address = ANNA);
	GET(&w.keeper, verifier, VERIFIER, &m);
	while (wire_credential_next(&m.rows, &row))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u:%u:%.*s ",
		    row.n, row.services, SLICE_FMT(row.verifiers));
	test_slice(slice_cstr(text), slice_cstr(want));
}

static const struct {
	const char *what, *name, *scope, *expires;
	uint16_t want;
} app_passwords[] = {
	{ "for all", "phone", "all", "", 250 },
	{ "for two", "laptop", "imap,smtp", "", 250 },
	{ "the name is used", "phone", "all", "", 550 },
	{ "no such service", "x", "imap,web", "", 501 },
	{ "no service", "x", ",", "", 501 },
	{ "no name", "", "all", "", 501 },
	{ "no time", "x", "all", "soon", 501 },
	{ "expired already", "old", "pop3", "1", 250 },
};

static void
app_passwords_come_and_go(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(app_passwords) / sizeof(app_passwords[0]);
	     i++) {
		struct wire_field args[] = { { SLICE("address"), ANNA },
			{ SLICE("verifier"), SLICE("v") },
			{ SLICE("name"), slice_cstr(app_passwords[i].name) },
			{ SLICE("scope"), slice_cstr(app_passwords[i].scope) },
			{ SLICE("expires"),
			    slice_cstr(app_passwords[i].expires) } };

		test_case(app_passwords[i].what);
		test_int(admin_with("app-password add", args, 5),
		    app_passwords[i].want);
	}
	credentials_are("0:7:verifier 1:7:v 2:3:v ");
	test_case("by number, by name, and what is not there");
	test_int(admin("app-password remove", "address", "anna@one.example",
		     "which", "1"),
	    250);
	test_int(admin("app-password remove", "address", "anna@one.example",
		     "which", "1"),
	    550);
	test_int(admin("app-password remove", "address", "anna@one.example",
		     "which", "0"),
	    550);
	test_int(admin("app-password remove", "address", "anna@one.example",
		     "which", "laptop"),
	    250);
	test_int(admin("app-password remove", "address", "no@one.example",
		     "which", "laptop"),
	    550);
	credentials_are("0:7:verifier ");
	test_case("no more than there may be");
	for (unsigned i = 0; i <= LIMIT_APP_PASSWORDS; i++) {
		char name[16];
		struct wire_field args[] = { { SLICE("address"), ANNA },
			{ SLICE("verifier"), SLICE("v") },
			{ SLICE("name"), { 0 } } };

		(void)snprintf(name, sizeof(name), "p%u", i);
		args[2].value = slice_cstr(name);
		/* "old" is one of them */
		test_int(admin_with("app-password add", args, 3),
		    i + 1 < LIMIT_APP_PASSWORDS ? 250 : 550);
	}
}

#define HEX "00112233445566778899aabbccddeeff"
static const struct {
	const char *what, *command, *address, *fingerprint;
	int want;
	const char *owner; /* then, of HEX HEX */
} certificates[] = {
	{ "given", "certificate add", "anna@one.example", HEX HEX, 250,
	    "anna@one.example" },
	{ "twice", "certificate add", "anna@one.example", HEX HEX, 550,
	    "anna@one.example" },
	{ "to another, too", "certificate add", "ben@one.example", HEX HEX, 550,
	    "anna@one.example" },
	{ "too short", "certificate add", "anna@one.example", HEX, 501,
	    "anna@one.example" },
	{ "too long", "certificate add", "anna@one.example", HEX HEX "0", 501,
	    "anna@one.example" },
	{ "no hex", "certificate add", "anna@one.example", HEX HEX "x", 501,
	    "anna@one.example" },
	{ "to nobody", "certificate add", "no@one.example", HEX HEX, 550,
	    "anna@one.example" },
	{ "shown", "certificate list", "anna@one.example", NULL, 250,
	    "anna@one.example" },
	{ "of nobody", "certificate list", "no@one.example", NULL, 550,
	    "anna@one.example" },
	{ "taken from who has none", "certificate remove", "ben@one.example",
	    HEX HEX, 550, "anna@one.example" },
	{ "taken", "certificate remove", "anna@one.example",
	    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF" HEX, 250, "" },
	{ "taken twice", "certificate remove", "anna@one.example", HEX HEX, 550,
	    "" },
};

static void
certificates_come_and_go(void **state)
{
	struct wire_certificate m;

	(void)state;
	test_int(admin("account add", "address", "ben@one.example", "verifier",
		     "v"),
	    250);
	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]);
	     i++) {
		test_case(certificates[i].what);
		test_int(admin(certificates[i].command, "address",
			     certificates[i].address,
			     certificates[i].fingerprint == NULL
				 ? NULL
				 : "fingerprint",
			     certificates[i].fingerprint),
		    certificates[i].want);
		PUT(&w.keeper, certificate_get, CERTIFICATE_GET, 6,
		    .fingerprint = SLICE(HEX HEX));
		GET(&w.keeper, certificate, CERTIFICATE, &m);
		test_true(!m.temporary);
		test_slice(m.address, slice_cstr(certificates[i].owner));
	}
	for (unsigned i = 0; i <= LIMIT_CERTIFICATES; i++) {
		char at[65];

		(void)snprintf(at, sizeof(at), "%064x", i);
		test_int(admin("certificate add", "address", "anna@one.example",
			     "fingerprint", at),
		    i < LIMIT_CERTIFICATES ? 250 : 550);
	}
	test_case("an account can go with what it has");
	test_int(admin("account remove", "address", "anna@one.example", NULL,
		     NULL),
	    250);
}

/* The old password was being checked while a new one came. */
static void
a_better_hash_replaces_only_its_own(void **state)
{
	(void)state;
	is_verifier(SLICE("verifier"));
	PUT(&w.keeper, rehashed, REHASHED, 0, .account = w.f.account,
	    .was = SLICE("another"), .verifier = SLICE("hash of the old"));
	test_int(admin("domain add", "domain", "x.example", NULL, NULL), 250);
	is_verifier(SLICE("verifier"));
	PUT(&w.keeper, rehashed, REHASHED, 0, .account = w.f.account,
	    .was = SLICE("verifier"), .verifier = SLICE("better"));
	test_int(admin("domain add", "domain", "y.example", NULL, NULL), 250);
	is_verifier(SLICE("better"));
}

/* A login's name comes as it was given: its domain says what case means. */
static void
names_of_logins_go_by_their_domain(void **state)
{
	static const struct {
		const char *address;
		bool found;
	} rows[] = { { "ANNA@One.example", true }, { "anna@one.example", true },
		{ "Jo@kept.example", true }, { "Jo@KEPT.example", true },
		{ "jo@kept.example", false }, { "nobody@invalid", false },
		{ "no address", false } };
	struct wire_verifier m;

	(void)state;
	test_int(admin_words("domain add", "domain=kept.example case=keep"),
	    250);
	test_int(admin_words("account add",
		     "address=Jo@kept.example verifier=v"),
	    250);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].address);
		PUT(&w.keeper, verifier_get, VERIFIER_GET, 6,
		    .address = slice_cstr(rows[i].address));
		GET(&w.keeper, verifier, VERIFIER, &m);
		test_int(m.found, rows[i].found);
	}
}

/* -- from whom
 * ---------------------------------------------------------------- */

static unsigned
client(struct end *e, uint64_t session, const char *address)
{
	struct wire_client_answer m;

	w.session = session;
	PUT(e, client_ask, CLIENT_ASK, 3, .client = slice_cstr(address));
	GET(e, client_answer, CLIENT_ANSWER, &m);
	test_int(e->head.ticket, 3);
	return m.verdict.code;
}

static void
networks_have_one_measure(void **state)
{
	struct wire_client_answer m;

	(void)state;
	test_int(client(&w.mx, 1, "192.0.2.1"), 250);
	test_int(client(&w.mx, 2, "192.0.2.2"), 250);
	test_int(client(&w.mx, 3, "192.0.2.3"), 421);
	test_int(client(&w.mx, 4, "192.0.3.1"), 250);
	test_case("other services have another, over all their fronts");
	test_int(client(&w.a, 1, "192.0.2.1"), 250);
	test_int(client(&w.b, 1, "192.0.2.1"), 250);
	test_int(client(&w.b, 2, "::ffff:192.0.2.1"), 421);
	test_case("a front that asks twice has another client there now");
	test_int(client(&w.mx, 2, "2001:db8::1"), 250);
	test_int(client(&w.mx, 3, "192.0.2.3"), 250);
	test_case("who leaves makes room");
	PUT(&w.mx, client_note, CLIENT_NOTE, 0, .gone = true);
	PUT(&w.mx, client_note, CLIENT_NOTE, 0, .gone = true);
	test_int(client(&w.mx, 5, "192.0.2.5"), 250);
	test_case("too many unknown recipients are told once");
	PUT(&w.mx, client_note, CLIENT_NOTE, 0, .unknown = 1000);
	GET(&w.mx, client_answer, CLIENT_ANSWER, &m);
	test_int(w.mx.head.ticket, 0);
	test_int(m.verdict.code, 421);
	PUT(&w.mx, client_note, CLIENT_NOTE, 0, .unknown = 1000);
	test_case("and whoever comes from there");
	test_int(client(&w.mx, 6, "192.0.2.6"), 421);
	test_case("what is no address ends the channel");
	PUT(&w.mx, client_ask, CLIENT_ASK, 3, .client = SLICE("what"));
	test_true(is_thrown_out(&w.mx));
	test_case("and makes room for its clients");
	(void)close(w.mx.fd);
	add_peer(&w.mx, WIRE_MX, MX + 1);
	test_int(client(&w.mx, 1, "192.0.3.1"), 250);
	test_int(client(&w.mx, 2, "192.0.3.2"), 250);
	test_int(client(&w.mx, 3, "192.0.3.3"), 421);
	w.session = SESSION;
}

static unsigned
rcpt_from(struct end *e, const char *address, bool is_lmtp)
{
	struct wire_rcpt_answer m;

	PUT(e, rcpt_ask, RCPT_ASK, 9, .txn = 1, .rcpt = ANNA,
	    .sender = STRANGER, .client = slice_cstr(address),
	    .is_lmtp = is_lmtp);
	GET(e, rcpt_answer, RCPT_ANSWER, &m);
	return m.verdict.code;
}

static void
the_greylist_can_be_helped(void **state)
{
	(void)state;
	test_int(rcpt_from(&w.mx, "192.0.2.1", false), 250); /* it is off */
	test_int(admin_words("domain set", "domain=one.example greylist=on"),
	    250);
	test_int(rcpt_from(&w.mx, "192.0.2.1", false), 451);
	test_int(rcpt_from(&w.mx, "192.0.2.1", true), 250);
	test_int(rcpt_from(&w.a, "192.0.2.1", false), 250); /* or denied */
	test_int(admin_words("greylist list", "client=192.0.2.0/24"), 250);
	test_int(admin_words("greylist list", "state=what"), 501);
	test_int(admin_words("greylist list", "limit=many"), 501);
	test_int(admin_words("greylist remove", ""), 501);
	test_int(admin_words("greylist remove", "all=1 sender=two.example"),
	    501);
	test_int(admin_words("greylist remove", "sender=two.example"), 250);
	test_int(admin_words("greylist allow", "client=no/where"), 501);
	test_int(admin_words("greylist allow", "client=192.0.0.0/16"), 250);
	test_int(admin_words("greylist allowed", ""), 250);
	/* read anew behind the answer */
	for (int i = 0; rcpt_from(&w.mx, "192.0.2.1", false) != 250; i++) {
		test_true(i < 1000);
		(void)usleep(10000);
	}
	test_int(rcpt_from(&w.mx, "198.51.100.1", false), 451);
	test_int(admin_words("greylist disallow", "client=192.0.0.0/16"), 250);
	test_int(admin_words("greylist disallow", "client=192.0.0.0/16"), 550);
	test_int(admin_words("greylist remove", "all=1"), 250);
}

/* -- who may do without a login, and who is left out
 * ----------------------------------------------- */

static unsigned
rcpt_at(const char *client, const char *local, uint64_t txn,
    struct slice sender, struct slice address)
{
	struct wire_rcpt_answer m;

	PUT(&w.mx, rcpt_ask, RCPT_ASK, 9, .txn = txn, .rcpt = address,
	    .sender = sender, .client = slice_cstr(client),
	    .local = slice_cstr(local));
	GET(&w.mx, rcpt_answer, RCPT_ANSWER, &m);
	return m.verdict.code;
}

static void
networks_relay_as_ours(void **state)
{
	static const struct slice far = { (const uint8_t *)"x@far.example",
		13 };

	(void)state;
	test_int(rcpt_at("203.0.113.7", "", 1, ANNA, far), 250);
	test_int(rcpt_at("::ffff:203.0.113.7", "", 1, SLICE(""), far), 250);
	test_int(rcpt_at("203.0.113.7", "", 1, STRANGER, far), 550);
	test_int(rcpt_at("203.0.112.7", "", 1, ANNA, far), 550);
	test_int(rcpt_at("", "", 1, ANNA, far), 550);
	test_int(rcpt_at("203.0.113.7", "", 1, STRANGER, ANNA), 250);
	/* what was allowed to one sender is kept for no other */
	test_int(rcpt_at("203.0.113.7", "", 2, ANNA, far), 250);
	put_body(&w.mx, 2, 10);
	test_int(commit(&w.mx, 0, 2, 2, STRANGER), 451);
	test_int(rcpt_at("203.0.113.7", "", 3, ANNA, far), 250);
	put_body(&w.mx, 3, 10);
	test_int(commit(&w.mx, 0, 3, 3, ANNA), 250);
}

/* RFC 5321, 4.5.1: at the address that the client came to. */
static void
the_host_has_a_postmaster(void **state)
{
	static const struct slice pm = {
		(const uint8_t *)"postmaster@[198.51.100.9]", 25
	};

	(void)state;
	test_int(rcpt_at("", "", 1, STRANGER, pm), 550);
	test_int(rcpt_at("", "198.51.100.9", 1, STRANGER, pm), 250);
	test_int(rcpt_at("", "::ffff:198.51.100.9", 1, STRANGER, pm), 250);
	/* what was said for one address holds for no other */
	test_int(rcpt_at("", "198.51.100.10", 1, STRANGER, pm), 550);
	test_int(rcpt_at("", "", 1, STRANGER, pm), 550);
	test_int(rcpt_at("", "198.51.100.9", 1, STRANGER,
		     SLICE("anna@[198.51.100.9]")),
	    550);
	test_int(rcpt_at("", "", 1, STRANGER, SLICE("Abuse@MX.one.example")),
	    250);
}

/* Three groups of 500 are as much as one mail may have; a fourth is for the
 * next one. */
static void
a_mail_has_so_many_targets(void **state)
{
	char args[128], members[8192];

	(void)state;
	for (unsigned g = 0; g < 4; g++) {
		(void)snprintf(args, sizeof(args), "address=g%u@one.example",
		    g);
		test_int(admin_words("group add", args), 250);
		for (unsigned i = 0; i < LIMIT_EXPAND;) {
			struct wire_field fields[16] = { { SLICE("address"),
			    slice_cstr(args + 8) } };
			size_t n = 0;
			uint32_t k = 1;

			for (unsigned end = i + 100; i < end; i++)
				n += (size_t)snprintf(members + n,
				    sizeof(members) - n, "%sm%u@g%u.example",
				    n > 0 ? "\n" : "", i, g);
			for (size_t at = 0; at < n; at += 1024)
				fields[k++] =
				    (struct wire_field){ SLICE("members"),
					    slice_upto(slice_of(members + at,
							   n - at),
						1024) };
			test_int(admin_with("group member add", fields, k),
			    250);
		}
	}
	test_int(rcpt(&w.mx, 0, 1, SLICE("g0@one.example")), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("g1@one.example")), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("g2@one.example")), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("g3@one.example")), 452);
	test_int(rcpt(&w.mx, 0, 2, SLICE("g3@one.example")), 250);
}

/* LMTP (RFC 2033, 4.2): who is full is named, the others get the mail. */
static void
each_recipient_for_himself(void **state)
{
	struct wire_left_out row;
	struct wire_done m;
	struct id id;

	(void)state;
	test_int(admin("account quota", "address", "anna@one.example", "quota",
		     "50"),
	    250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("otto@one.example")), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("info@one.example")), 250);
	put_body(&w.mx, 1, 100);
	id_make(&w.ids, 1764000000000000, 42, &id);
	PUT(&w.mx, commit, COMMIT, 10, .txn = 1, .body = 1, .id = id,
	    .sender = STRANGER, .protocol = SLICE("LMTP"), .is_per_rcpt = true);
	GET(&w.mx, done, DONE, &m);
	test_int(m.verdict.code, 250);
	test_int(m.left_out.n, 1);
	test_true(wire_left_out_next(&m.left_out, &row));
	test_int(row.rcpt, 1);
	test_int(row.verdict.code, 452);
	test_int(row.verdict.detail, 2);

	test_case("all of them are full");
	test_int(rcpt(&w.mx, 0, 2, ANNA), 250);
	put_body(&w.mx, 2, 100);
	id_make(&w.ids, 1764000000000000, 42, &id);
	PUT(&w.mx, commit, COMMIT, 10, .txn = 2, .body = 2, .id = id,
	    .sender = STRANGER, .protocol = SLICE("LMTP"), .is_per_rcpt = true);
	GET(&w.mx, done, DONE, &m);
	test_int(m.verdict.code, 452);
	test_int(m.left_out.n, 0);
}

/* By SMTP there is one answer: who is full waits, and keeps nobody else from
 * the mail. */
static void
one_who_is_full_waits_for_the_others(void **state)
{
	(void)state;
	test_int(admin("account quota", "address", "anna@one.example", "quota",
		     "50"),
	    250);
	test_int(rcpt(&w.mx, 0, 1, ANNA), 250);
	test_int(rcpt(&w.mx, 0, 1, SLICE("otto@one.example")), 250);
	put_body(&w.mx, 1, 100);
	test_int(commit(&w.mx, 0, 1, 1, STRANGER), 250);

	test_case("all of them are full");
	test_int(admin("account quota", "address", "otto@one.example", "quota",
		     "50"),
	    250);
	test_int(rcpt(&w.mx, 0, 2, ANNA), 250);
	test_int(rcpt(&w.mx, 0, 2, SLICE("otto@one.example")), 452);
	put_body(&w.mx, 2, 100);
	test_int(commit(&w.mx, 0, 2, 2, STRANGER), 452);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(only_the_approved_are_reached),
    CASE(a_front_cannot_borrow_a_login), CASE(scopes_hold),
    CASE(messages_of_others_end_the_channel), CASE(too_large_is_refused),
    CASE(views_hear_of_changes), CASE(bodies_come_as_credit_allows),
    CASE(recent_is_for_who_hears_first), CASE(one_pop3_session_at_a_time),
    CASE(the_admin_is_answered), CASE(options_and_lists_are_kept),
    CASE(names_of_logins_go_by_their_domain), CASE(networks_relay_as_ours),
    CASE(the_host_has_a_postmaster), CASE(each_recipient_for_himself),
    CASE(a_mail_has_so_many_targets), CASE(too_many_names_are_refused),
    cmocka_unit_test_setup_teardown(throttles_and_warmups_are_bounded,
	setup_crowded, teardown),
    CASE(changes_come_as_the_front_takes_them),
    CASE(conditional_changes_say_what_they_left),
    CASE(a_better_hash_replaces_only_its_own), CASE(app_passwords_come_and_go),
    CASE(certificates_come_and_go), CASE(what_is_verified_is_not_kept),
    CASE(a_new_password_ends_logins), CASE(a_full_mailbox_says_later),
    CASE(one_who_is_full_waits_for_the_others), CASE(networks_have_one_measure),
    CASE(the_greylist_can_be_helped))
