/* SPDX-License-Identifier: ISC */
/*
 * Domains with options, groups, who may send as what and how much: what the
 * administrator's commands leave in the store, and what RCPT finds there.
 */
#include "base/test.h"

#include "base/time.h"
#include "policy/greylist.h"
#include "store/domain.h"
#include "store/expand.h"
#include "store/group.h"
#include "store/sending.h"
#include "store/store_fixture.h"

static struct fixture f;
static struct db *db;

static struct slice
s(const char *text)
{
	return slice_cstr(text);
}

static uint64_t
add_account(const char *address)
{
	uint64_t account = 0;

	test_int(store_account_add(f.store, s(address), s(""), s(""), &account),
	    0);
	return account;
}

static int
setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	fixture_make(&f);
	db = store_writer(f.store);
	test_int(store_domain_add(f.store, s("two.example")), 0);
	(void)add_account("otto@two.example");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_verify(&f, UINT64_MAX, 0);
	fixture_close(&f);
	fixture_drop(&f);
	return 0;
}

/* "key=value key=value" */
static int
set(const char *domain, const char *text)
{
	const struct option *bad = NULL;
	struct option options[8];
	struct slice in = s(text), word;
	size_t n = 0;
	int r;

	while (in.len > 0) {
		if (!slice_take_until(&in, ' ', &word)) {
			word = in;
			in.len = 0;
		}
		test_true(slice_take_until(&word, '=', &options[n].key));
		options[n++].value = word;
	}
	r = domain_set(db, s(domain), options, n, &bad);
	test_int(bad != NULL, r == ACCOUNT_E_VALUE);
	return r;
}

struct found {
	int r;
	enum rcpt_outcome outcome;
	size_t n;
	uint64_t first;
	bool is_list, is_relay;
	char sender[LIMIT_ADDRESS + 1], route[LIMIT_ADDRESS + 1];
};

static struct found
look_as(const char *address, const char *sender, uint64_t account)
{
	struct rcpt_request ask = {
		.typed = s(address), .sender = s(sender), .account = account
	};
	struct found ret = { 0 };
	struct rcpt_result result;
	struct arena arena;

	arena_init(&arena, LIMIT_LOOKUP);
	ret.r = rcpt_lookup(db, &ask, &arena, &result);
	if (ret.r == 0) {
		ret.outcome = result.outcome;
		ret.n = result.n_targets;
	}
	if (ret.n > 0) {
		const struct rcpt_target *t = &result.targets[0];

		ret.first = t->account;
		ret.is_list = t->is_list;
		ret.is_relay = t->is_relay;
		(void)slice_to_cstr(t->sender, ret.sender, sizeof(ret.sender));
		(void)slice_to_cstr(t->route, ret.route, sizeof(ret.route));
	}
	arena_reset(&arena);
	return ret;
}

static struct found
look(const char *address)
{
	return look_as(address, "b@far.example", 0);
}

/* -- domains
 * -------------------------------------------------------------------- */

static void
options_are_checked(void **state)
{
	static const struct {
		const char *options;
		int r;
	} rows[] = {
		{ "subaddress=+", 0 },
		{ "subaddress=+-", 0 },
		{ "subaddress=none", 0 },
		{ "subaddress=a", ACCOUNT_E_VALUE },
		{ "subaddress=@", ACCOUNT_E_VALUE },
		{ "subaddress=+-=_.", ACCOUNT_E_VALUE },
		{ "kind=what", ACCOUNT_E_VALUE },
		{ "kind=alias", ACCOUNT_E_NO_DOMAIN }, /* of which? */
		{ "kind=alias target=two.example", ACCOUNT_E_LOOP },
		{ "kind=alias target=far.example", ACCOUNT_E_NO_DOMAIN },
		{ "target=no..domain", ACCOUNT_E_VALUE },
		{ "catch_all=what", ACCOUNT_E_VALUE },
		{ "catch_all=anna@one.example", 0 },
		{ "catch_all=none", 0 },
		{ "case=upper", ACCOUNT_E_VALUE },
		{ "case=keep", ACCOUNT_E_IN_USE }, /* otto is there */
		{ "case=fold", 0 },
		{ "quota=1000", 0 },
		{ "quota=much", ACCOUNT_E_VALUE },
		{ "quota=none", 0 },
		{ "messages_per_hour=5", 0 },
		{ "messages_per_hour=-5", ACCOUNT_E_VALUE },
		{ "messages_per_hour=default recipients_per_day=none", 0 },
		{ "greylist=maybe", ACCOUNT_E_VALUE },
		{ "greylist=off", 0 },
		{ "greylist=default", 0 },
		{ "greylist=on", 0 },
		{ "colour=blue", ACCOUNT_E_VALUE },
		/* all or none: the first of these is not kept */
		{ "subaddress=! colour=blue", ACCOUNT_E_VALUE },
	};
	struct domain_options d;
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].options);
		test_int(set("two.example", rows[i].options), rows[i].r);
	}
	test_int(set("far.example", "quota=1"), ACCOUNT_E_NO_DOMAIN);
	arena_init(&arena, 4096);
	test_int(domain_read(db, s("TWO.example"), &arena, &d), 0);
	test_slice(d.separators, s(""));
	test_int(d.kind, DOMAIN_LOCAL);
	test_int(d.greylist, GREYLIST_ON);
	arena_reset(&arena);
}

static void
a_domain_has_rules_of_its_own(void **state)
{
	uint64_t otto = look("otto@two.example").first, big;

	(void)state;
	test_int(look("otto+x@two.example").outcome, RCPT_FOUND);
	test_int(set("two.example", "subaddress=none"), 0);
	test_int(look("otto+x@two.example").outcome, RCPT_NOBODY);
	test_int(set("two.example", "subaddress=- catch_all=anna@one.example"),
	    0);
	test_int(look("otto-x@two.example").first, otto);
	test_int(look("whoever@two.example").first, f.account);
	/* case: only while nobody is there */
	test_int(store_domain_add(f.store, s("kept.example")), 0);
	test_int(set("kept.example", "case=keep"), 0);
	big = add_account("Otto@kept.example");
	test_int(look("Otto@KEPT.example").first, big);
	test_int(look("otto@kept.example").outcome, RCPT_NOBODY);
	test_true(add_account("otto@kept.example") != big);
	test_int(look("Postmaster@kept.example").outcome, RCPT_FOUND);
	test_int(set("kept.example", "case=fold"), ACCOUNT_E_IN_USE);
}

static void
a_domain_stands_for_another(void **state)
{
	uint64_t otto = look("otto@two.example").first;

	(void)state;
	test_int(store_domain_add(f.store, s("other.example")), 0);
	test_int(look("otto@other.example").outcome, RCPT_NOBODY);
	test_int(set("other.example", "kind=alias target=two.example"), 0);
	test_int(look("OTTO+x@other.example").first, otto);
	test_int(look("nix@other.example").outcome, RCPT_NOBODY);
	/* its own addresses come first */
	test_int(store_alias_add(f.store, s("otto@other.example"),
		     s("anna@one.example")),
	    0);
	test_int(look("otto@other.example").first, f.account);
	/* no chains of them, and nothing that is stood for goes */
	test_int(set("two.example", "kind=alias target=one.example"),
	    ACCOUNT_E_LOOP);
	test_int(store_domain_add(f.store, s("third.example")), 0);
	test_int(set("third.example", "kind=alias target=other.example"),
	    ACCOUNT_E_LOOP);
	test_int(set("third.example", "kind=alias target=one.example"), 0);
	test_int(domain_remove(db, s("one.example")), ACCOUNT_E_IN_USE);
	test_int(domain_remove(db, s("third.example")), 0);
}

static void
a_domain_is_passed_on(void **state)
{
	struct found got;

	(void)state;
	test_int(store_domain_add(f.store, s("backup.example")), 0);
	test_int(relay_rcpt_add(db, s("backup.example"), s("jo"), 1),
	    ACCOUNT_E_KIND);
	test_int(set("backup.example", "kind=relay"), 0);
	test_int(relay_rcpt_add(db, s("backup.example"), s("Jo"), 1), 0);
	test_int(relay_rcpt_add(db, s("backup.example"), s("jo"), 1), 0);
	test_int(relay_rcpt_add(db, s("backup.example"), s("al@backup.example"),
		     1),
	    0);
	test_int(relay_rcpt_add(db, s("backup.example"), s("x@two.example"), 1),
	    ACCOUNT_E_KIND);
	test_int(relay_rcpt_add(db, s("backup.example"), s("a b"), 1),
	    ACCOUNT_E_ADDRESS);
	got = look("JO+x@backup.example");
	test_int(got.outcome, RCPT_FOUND);
	test_true(got.is_relay);
	test_slice(s(got.route), s(""));
	test_int(look("nix@backup.example").outcome, RCPT_NOBODY);
	test_int(set("backup.example", "target=mx.inner.example"), 0);
	test_slice(s(look("jo@backup.example").route), s("mx.inner.example"));
	test_int(relay_rcpt_add(db, s("backup.example"), s("*"), 1), 0);
	test_int(look("nix@backup.example").outcome, RCPT_FOUND);
	test_int(relay_rcpt_remove(db, s("backup.example"), s("*")), 0);
	test_int(relay_rcpt_remove(db, s("backup.example"), s("*")),
	    ACCOUNT_E_ABSENT);
	test_int(look("nix@backup.example").outcome, RCPT_NOBODY);
	/* an account in it is an account */
	/* its own servers must have one */
	test_true(look_as("postmaster@backup.example", "", 0).is_relay);
	(void)add_account("here@backup.example");
	test_int(look("postmaster@backup.example").outcome, RCPT_FOUND);
	test_true(!look("here@backup.example").is_relay);
	test_int(domain_remove(db, s("backup.example")), ACCOUNT_E_IN_USE);
	while (account_remove(db, s("here@backup.example")) == STORE_AGAIN)
		;
	test_int(domain_remove(db, s("backup.example")), 0);
	test_int(look("jo@backup.example").outcome, RCPT_FOREIGN);
}

static void
accounts_begin_with_their_domain_s_quota(void **state)
{
	struct q_account_by_address row;
	uint64_t account;

	(void)state;
	test_int(set("two.example", "quota=1234"), 0);
	test_int(account_add(db, s("a@two.example"), s(""), s(""),
		     ACCOUNT_QUOTA_DEFAULT, 1, &account),
	    0);
	test_int(account_add(db, s("b@two.example"), s(""), s(""), 0, 1,
		     &account),
	    0);
	test_int(DB_ONE(account_by_address, db, &row,
		     .canonical = s("a@two.example")),
	    0);
	test_int(row.quota_bytes, 1234);
	test_int(DB_ONE(account_by_address, db, &row,
		     .canonical = s("b@two.example")),
	    0);
	test_int(row.quota_bytes, 0);
}

/* -- groups
 * --------------------------------------------------------------------- */

static void
groups_have_members(void **state)
{
	struct found got;

	(void)state;
	test_int(group_add(db, s("crew@one.example"), s("Crew"),
		     s("anna@one.example"), s(""), 1),
	    0);
	test_int(group_add(db, s("crew@one.example"), s(""), s(""), s(""), 1),
	    ACCOUNT_E_EXISTS);
	test_int(group_add(db, s("anna@one.example"), s(""), s(""), s(""), 1),
	    ACCOUNT_E_EXISTS);
	test_int(group_add(db, s("x@far.example"), s(""), s(""), s(""), 1),
	    ACCOUNT_E_NO_DOMAIN);
	test_int(group_add(db, s("own@one.example"), s(""),
		     s("own@one.example"), s(""), 1),
	    ACCOUNT_E_LOOP);
	test_int(group_add(db, s("p@one.example"), s(""), s(""), s("all"), 1),
	    ACCOUNT_E_VALUE);
	test_int(store_alias_add(f.store, s("crew@one.example"),
		     s("anna@one.example")),
	    ACCOUNT_E_EXISTS);
	test_int(store_account_add(f.store, s("crew@one.example"), s(""), s(""),
		     NULL),
	    ACCOUNT_E_EXISTS);
	test_int(look("crew@one.example").outcome, RCPT_EMPTY);
	test_int(group_member_add(db, s("crew@one.example"),
		     s("Anna@one.example"), 1),
	    0);
	test_int(group_member_add(db, s("crew@one.example"),
		     s("anna@one.example"), 1),
	    ACCOUNT_E_EXISTS);
	test_int(group_member_add(db, s("crew@one.example"), s("x@far.example"),
		     1),
	    0);
	got = look("crew@one.example");
	test_int(got.n, 2);
	test_slice(s(got.sender), s("owner-crew@one.example"));
	/* RFC 5321, 4.5.5: nobody answers what has no sender */
	test_slice(s(look_as("crew@one.example", "", 0).sender), s(""));
	test_int(look("owner-crew@one.example").first, f.account);
	test_int(group_member_remove(db, s("crew@one.example"),
		     s("x@far.example")),
	    0);
	test_int(group_member_remove(db, s("crew@one.example"),
		     s("x@far.example")),
	    ACCOUNT_E_ABSENT);
	test_int(look("crew@one.example").n, 1);
	test_int(domain_remove(db, s("one.example")), ACCOUNT_E_IN_USE);
	test_int(group_remove(db, s("crew@one.example")), 0);
	test_int(group_remove(db, s("crew@one.example")), ACCOUNT_E_ABSENT);
	test_int(look("crew@one.example").outcome, RCPT_NOBODY);
}

static void
circles_are_told_when_they_are_made(void **state)
{
	(void)state;
	test_int(group_add(db, s("a@one.example"), s(""), s(""), s(""), 1), 0);
	test_int(group_add(db, s("b@one.example"), s(""), s(""), s(""), 1), 0);
	test_int(group_member_add(db, s("a@one.example"), s("b@one.example"),
		     1),
	    0);
	test_int(group_member_add(db, s("b@one.example"), s("a@one.example"),
		     1),
	    ACCOUNT_E_LOOP);
	test_int(group_member_add(db, s("b@one.example"), s("a+x@one.example"),
		     1),
	    ACCOUNT_E_LOOP);
	test_int(group_member_add(db, s("a@one.example"), s("a@one.example"),
		     1),
	    ACCOUNT_E_LOOP);
	test_int(store_alias_add(f.store, s("c@one.example"),
		     s("a@one.example")),
	    0);
	test_int(group_member_add(db, s("b@one.example"), s("c@one.example"),
		     1),
	    ACCOUNT_E_LOOP);
	test_int(store_alias_add(f.store, s("d@one.example"),
		     s("e@one.example")),
	    0);
	test_int(store_alias_add(f.store, s("e@one.example"),
		     s("d@one.example")),
	    ACCOUNT_E_LOOP);
}

static void
who_leaves_is_no_member(void **state)
{
	struct q_list_by_address row;

	(void)state;
	test_int(group_add(db, s("crew@one.example"), s(""), s(""), s(""), 1),
	    0);
	test_int(group_member_add(db, s("crew@one.example"),
		     s("otto@two.example"), 1),
	    0);
	test_int(group_set(db, s("crew@one.example"), NULL,
		     &(struct slice){ (const uint8_t *)"otto@two.example", 16 },
		     NULL),
	    0);
	test_int(send_as_add(db, s("anna@one.example"), s("otto@two.example"),
		     1),
	    0);
	test_int(sender_check(db, f.account, s("otto@two.example")), 0);
	while (account_remove(db, s("otto@two.example")) == STORE_AGAIN)
		;
	test_int(DB_ONE(list_by_address, db, &row,
		     .canonical = s("crew@one.example")),
	    0);
	test_int(row.members, 0);
	test_slice(row.owner, s(""));
	test_slice(row.owner_canonical, s(""));
	/* another one of that name has granted nothing */
	(void)add_account("otto@two.example");
	test_int(sender_check(db, f.account, s("otto@two.example")), DB_NONE);
}

static void
groups_say_who_may_post(void **state)
{
	uint64_t otto = look("otto@two.example").first;
	const struct {
		const char *post, *sender;
		uint64_t account;
		enum rcpt_outcome outcome;
	} rows[] = {
		{ "anyone", "b@far.example", 0, RCPT_FOUND },
		{ "anyone", "", 0, RCPT_FOUND },
		{ "members", "b@far.example", 0, RCPT_MAY_NOT_POST },
		{ "members", "m@far.example", 0, RCPT_FOUND },
		{ "members", "", 0, RCPT_MAY_NOT_POST },
		/* a stranger is none of us, whatever he says */
		{ "members", "anna@one.example", 0, RCPT_MAY_NOT_POST },
		{ "members", "anna@one.example", f.account, RCPT_FOUND },
		{ "members", "anna+x@one.example", f.account, RCPT_FOUND },
		{ "members", "otto@two.example", otto, RCPT_MAY_NOT_POST },
		{ "domain", "anna@one.example", f.account, RCPT_FOUND },
		{ "domain", "otto@two.example", otto, RCPT_MAY_NOT_POST },
		{ "domain", "m@far.example", 0, RCPT_MAY_NOT_POST },
		{ "owner", "otto@two.example", otto, RCPT_FOUND },
		{ "owner", "anna@one.example", f.account, RCPT_MAY_NOT_POST },
		{ "owner", "otto@two.example", 0, RCPT_MAY_NOT_POST },
	};

	(void)state;
	test_int(group_add(db, s("crew@one.example"), s(""),
		     s("otto@two.example"), s(""), 1),
	    0);
	test_int(group_member_add(db, s("crew@one.example"),
		     s("anna@one.example"), 1),
	    0);
	test_int(group_member_add(db, s("crew@one.example"), s("m@far.example"),
		     1),
	    0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice post = s(rows[i].post);

		test_case(rows[i].post);
		test_int(group_set(db, s("crew@one.example"), NULL, NULL,
			     &post),
		    0);
		test_int(look_as("crew@one.example", rows[i].sender,
			     rows[i].account)
			     .outcome,
		    rows[i].outcome);
	}
}

static void
five_hundred_are_one_transaction(void **state)
{
	char text[64];

	(void)state;
	test_int(group_add(db, s("big@one.example"), s(""), s(""), s(""), 1),
	    0);
	test_int(db_begin(db), 0);
	for (unsigned i = 0; i < LIMIT_EXPAND; i++) {
		(void)snprintf(text, sizeof(text), "m%u@far.example", i);
		test_int(group_member_add(db, s("big@one.example"), s(text), 1),
		    0);
	}
	test_int(db_commit(db), 0);
	test_int(look("big@one.example").n, LIMIT_EXPAND);
	test_true(!look("big@one.example").is_list);
	test_int(group_member_add(db, s("big@one.example"),
		     s("one@more.example"), 1),
	    0);
	test_int(look("big@one.example").n, 1);
	test_true(look("big@one.example").is_list);
}

/* -- senders
 * -------------------------------------------------------------------- */

static void
a_login_has_its_own_senders(void **state)
{
	static const struct {
		const char *sender;
		int r;
	} rows[] = {
		{ "anna@one.example", 0 },
		{ "ANNA@One.example", 0 },
		{ "anna+news@one.example", 0 },
		{ "info@one.example", 0 },     /* an alias to it */
		{ "info+x@one.example", 0 },   /* with detail */
		{ "far.info@one.example", 0 }, /* an alias of an alias */
		{ "anna@other.example", 0 },   /* an alias domain */
		{ "sales@two.example", 0 },    /* granted */
		{ "x@third.example", 0 },      /* its domain granted */
		{ "otto@two.example", DB_NONE },
		{ "crew@one.example", DB_NONE }, /* a group it is in */
		{ "who@one.example", DB_NONE },  /* the catch-all */
		{ "postmaster@one.example", DB_NONE },
		{ "anna@far.example", DB_NONE },
		{ "@third.example", DB_NONE },
		{ "", DB_NONE },
	};
	char names[SENDING_NAMES];

	(void)state;
	test_int(set("one.example", "catch_all=anna@one.example"), 0);
	test_int(store_domain_add(f.store, s("other.example")), 0);
	test_int(set("other.example", "kind=alias target=one.example"), 0);
	test_int(store_domain_add(f.store, s("third.example")), 0);
	test_int(store_alias_add(f.store, s("info@one.example"),
		     s("anna@one.example")),
	    0);
	test_int(store_alias_add(f.store, s("far.info@one.example"),
		     s("info@one.example")),
	    0);
	test_int(group_add(db, s("crew@one.example"), s(""), s(""), s(""), 1),
	    0);
	test_int(group_member_add(db, s("crew@one.example"),
		     s("anna@one.example"), 1),
	    0);
	test_int(send_as_add(db, s("anna@one.example"), s("Sales@two.example"),
		     1),
	    0);
	test_int(send_as_add(db, s("anna@one.example"), s("sales@two.example"),
		     1),
	    ACCOUNT_E_EXISTS);
	test_int(send_as_add(db, s("anna@one.example"), s("@third.example"), 1),
	    0);
	test_int(send_as_add(db, s("anna@one.example"), s("@far.example"), 1),
	    ACCOUNT_E_NO_DOMAIN);
	test_int(send_as_add(db, s("nix@one.example"), s("@third.example"), 1),
	    ACCOUNT_E_ABSENT);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].sender);
		test_int(sender_check(db, f.account, s(rows[i].sender)),
		    rows[i].r);
	}
	test_int(sender_names(db, f.account, names), 0);
	test_slice(s(names),
	    s("anna@one.example, info@one.example, @third.example, "
	      "Sales@two.example"));
	test_int(send_as_remove(db, s("anna@one.example"),
		     s("sales@two.example")),
	    0);
	test_int(sender_check(db, f.account, s("sales@two.example")), DB_NONE);
}

static void
names_are_cut_where_they_do_not_fit(void **state)
{
	char text[LIMIT_ADDRESS + 1], names[SENDING_NAMES];

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		(void)snprintf(text, sizeof(text),
		    "a.rather.long.name.of.many.%u@one.example", i);
		test_int(store_alias_add(f.store, s(text),
			     s("anna@one.example")),
		    0);
	}
	test_int(sender_names(db, f.account, names), 0);
	test_true(slice_ends(s(names), s(" more")));
	test_true(strlen(names) < SENDING_NAMES);
}

/* -- limits
 * --------------------------------------------------------------------- */

#define MINUTE TIME_MINUTE
#define T0 (1764000000 * TIME_SECOND) /* a slot begins here */

/* As the committer does it: what was refused is as if it had not been. */
static int
charge(uint64_t account, int64_t now, uint64_t rcpts, struct sending *ret)
{
	int r;

	*ret = (struct sending){ .account = account,
		.defaults = { 0, 0, 0, 20 },
		.n_rcpts = rcpts,
		.now = now };
	test_int(db_begin(db), 0);
	r = sending_charge(db, ret);
	if (r == 0)
		test_int(db_commit(db), 0);
	else
		db_rollback(db);
	return r;
}

static void
limits_open_again(void **state)
{
	static const struct option per_hour[] = {
		{ SLICE("messages_per_hour"), SLICE("3") },
		{ SLICE("recipients_per_hour"), SLICE("10") },
	};
	struct sending got;

	(void)state;
	test_int(account_set(db, s("anna@one.example"), per_hour, 2, NULL), 0);
	test_int(charge(f.account, T0, 1, &got), 0);
	test_int(charge(f.account, T0 + 25 * MINUTE, 1, &got), 0);
	test_int(charge(f.account, T0 + 30 * MINUTE, 1, &got), 0);
	test_int(charge(f.account, T0 + 31 * MINUTE, 1, &got), STORE_E_SENDING);
	test_slice(s(got.what), s("messages an hour"));
	test_int(got.limit, 3);
	test_true(!got.is_domain);
	/* the first slot leaves the hour when the seventh begins */
	test_int(got.opens, T0 + 60 * MINUTE);
	test_int(charge(f.account, T0 + 59 * MINUTE, 1, &got), STORE_E_SENDING);
	test_int(charge(f.account, T0 + 60 * MINUTE, 8, &got), 0);
	test_int(charge(f.account, T0 + 90 * MINUTE, 3, &got), STORE_E_SENDING);
	test_slice(s(got.what), s("recipients an hour"));
	test_int(got.opens, T0 + 120 * MINUTE);
	test_int(charge(f.account, T0 + 90 * MINUTE, 2, &got), 0);
	test_int(charge(f.account, T0 + 300 * MINUTE, 11, &got),
	    STORE_E_SENDING);
	test_int(got.opens, 0); /* never for so many at once */
	/* 13 of the day's 20, which the configuration says, are used */
	test_int(charge(f.account, T0 + 300 * MINUTE, 8, &got),
	    STORE_E_SENDING);
	test_slice(s(got.what), s("recipients a day"));
	test_int(charge(f.account, T0 + TIME_DAY + 100 * MINUTE, 10, &got), 0);
}

static void
a_domain_has_a_limit_for_all(void **state)
{
	uint64_t bob;
	struct sending got;
	struct sending_used used;

	(void)state;
	bob = add_account("bob@one.example");
	test_int(set("one.example", "messages_per_day=2"), 0);
	test_int(charge(f.account, T0, 1, &got), 0);
	test_int(charge(bob, T0, 5, &got), 0);
	test_int(charge(bob, T0 + MINUTE, 1, &got), STORE_E_SENDING);
	test_true(got.is_domain);
	test_int(charge(look("otto@two.example").first, T0, 1, &got), 0);
	test_int(sending_usage(db, SENDING_ACCOUNT, bob, T0, &used), 0);
	test_int(used.messages_hour, 1);
	test_int(used.rcpts_day, 5);
	test_int(set("one.example", "messages_per_day=none"), 0);
	test_int(charge(bob, T0 + MINUTE, 1, &got), 0);
}

/* Where nobody asks, nothing is written. */
static void
without_a_limit_nothing_is_counted(void **state)
{
	struct sending one = { .account = f.account, .n_rcpts = 1, .now = T0 };
	struct sending_used used;

	(void)state;
	test_int(sending_charge(db, &one), 0);
	test_int(sending_usage(db, SENDING_ACCOUNT, f.account, T0, &used), 0);
	test_int(used.messages_day, 0);
}

/* -- large lists
 * ----------------------------------------------------------------------- */

enum {
	FAR = 600 /* members elsewhere */
};

static uint64_t
count(const char *what)
{
	struct q_count_queue queue;
	struct q_account_get account;

	if (strcmp(what, "queue") == 0) {
		test_int(DB_ONE(count_queue, db, &queue, 0), 0);
		return queue.n;
	}
	test_int(DB_ONE(account_get, db, &account, .account = look(what).first),
	    0);
	return account.used_messages;
}

/* Two lists, one in the other, that share members; anna has the mail
 * already. */
static void
make_lists(struct mail *mail)
{
	struct expand_begin e = {
		.sender = s("b@far.example"), .expires = 1000, .now = 1
	};
	char text[64];

	test_int(group_add(db, s("big@one.example"), s(""),
		     s("anna@one.example"), s(""), 1),
	    0);
	test_int(group_add(db, s("sub@one.example"), s(""), s(""), s(""), 1),
	    0);
	test_int(db_begin(db), 0);
	for (unsigned i = 0; i < FAR; i++) {
		(void)snprintf(text, sizeof(text), "m%u@far.example", i);
		test_int(group_member_add(db, s("big@one.example"), s(text), 1),
		    0);
	}
	test_int(group_member_add(db, s("big@one.example"),
		     s("anna@one.example"), 1),
	    0);
	test_int(group_member_add(db, s("big@one.example"),
		     s("otto+x@two.example"), 1),
	    0);
	test_int(group_member_add(db, s("big@one.example"),
		     s("nix@two.example"), 1),
	    0);
	test_int(group_member_add(db, s("big@one.example"),
		     s("sub@one.example"), 1),
	    0);
	test_int(group_member_add(db, s("sub@one.example"),
		     s("otto@two.example"), 1),
	    0);
	test_int(group_member_add(db, s("sub@one.example"), s("m7@far.example"),
		     1),
	    0);
	test_int(group_member_add(db, s("sub@one.example"),
		     s("new@far.example"), 1),
	    0);
	test_int(db_commit(db), 0);
	mail->account = f.account;
	fixture_send(&f, mail, 1000, 1);
	fixture_run(&f);
	test_int(mail->result, 0);
	buf_deinit(&mail->d.append.envelope);
	e.message = mail->d.append.header.id;
	test_int(db_begin(db), 0);
	test_int(expand_begin(db, &e), 0);
	test_int(message_ref(db, &e.message, 1), 0);
	test_int(expand_add(db, e.expansion, s("big@one.example"), s("")), 0);
	test_int(expand_reached_account(db, e.expansion, f.account), 0);
	test_int(db_commit(db), 0);
}

/* Every slice is thrown away once before it is kept, as by a crash. */
static void
a_large_list_is_worked_off_once(void **state)
{
	static struct expand_slice slice;
	static struct mail mail;
	unsigned n = 0;
	bool is_kept = false;
	int r = 0;

	(void)state;
	make_lists(&mail);
	while (r == 0) {
		arena_init(&slice.arena, 32 << 20);
		slice.now = 1;
		test_int(db_begin(db), 0);
		r = expand_work(db, &slice);
		if (r == 0 && is_kept)
			test_int(db_commit(db), 0);
		else
			db_rollback(db);
		arena_reset(&slice.arena);
		is_kept = !is_kept;
		test_true(++n < 1000);
	}
	test_int(r, DB_NONE);
	test_int(count("anna@one.example"), 1);
	test_int(count("otto@two.example"), 1);
	test_int(count("queue"), FAR + 1);
	fixture_verify(&f, 1, 0);
}

/* Who has no room waits in the queue; the others are not kept from it. */
static void
a_full_member_waits(void **state)
{
	static struct expand_slice slice;
	static struct mail mail;
	int r = 0;

	(void)state;
	test_int(account_set_quota(db, s("otto@two.example"), 10), 0);
	make_lists(&mail);
	while (r == 0) {
		arena_init(&slice.arena, 32 << 20);
		test_int(db_begin(db), 0);
		r = expand_work(db, &slice);
		if (r == 0)
			test_int(db_commit(db), 0);
		else
			db_rollback(db);
		arena_reset(&slice.arena);
	}
	test_int(r, DB_NONE);
	test_int(count("otto@two.example"), 0);
	test_int(count("queue"), FAR + 2);
}

/* A false count, and a list for a message that there is not. */
static void
verify_tells_what_is_wrong(void **state)
{
	struct expand_begin e = { .sender = s("b@far.example") };
	struct q_list_by_address row;

	(void)state;
	test_int(group_add(db, s("crew@one.example"), s(""), s(""), s(""), 1),
	    0);
	test_int(DB_ONE(list_by_address, db, &row,
		     .canonical = s("crew@one.example")),
	    0);
	test_int(DB_EXEC(member_count, db, .list = row.list, .n = 1), 0);
	fixture_verify(&f, 0, 1);
	test_int(expand_begin(db, &e), 0);
	fixture_verify(&f, 0, 2);
	test_int(DB_EXEC(expansion_delete, db, .expansion = e.expansion), 0);
	test_int(group_remove(db, s("crew@one.example")), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(T(options_are_checked), T(a_domain_has_rules_of_its_own),
    T(a_domain_stands_for_another), T(a_domain_is_passed_on),
    T(accounts_begin_with_their_domain_s_quota), T(groups_have_members),
    T(circles_are_told_when_they_are_made), T(who_leaves_is_no_member),
    T(groups_say_who_may_post), T(five_hundred_are_one_transaction),
    T(a_login_has_its_own_senders), T(names_are_cut_where_they_do_not_fit),
    T(limits_open_again), T(a_domain_has_a_limit_for_all),
    T(without_a_limit_nothing_is_counted), T(a_large_list_is_worked_off_once),
    T(a_full_member_waits), T(verify_tells_what_is_wrong))
