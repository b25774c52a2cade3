/* SPDX-License-Identifier: ISC */
#include "queue/classify.h"

enum {
	TEXT_SEEN = 1024, /* of a reply; more is not kept anyway */
	ANY = 0xffff      /* detail */
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

struct phrase {
	struct slice words; /* in lower case */
	enum reply_class class;
};

/* Surer than any code. The first that is found counts, so what is more exact
 * stands before what it contains. */
static const struct phrase sure[] = {
	/* a mailbox, whatever the code says of policy */
	{ SLICE("recipient address rejected: access denied"),
	    REPLY_UNKNOWN_USER },
	{ SLICE("recipientnotfound"), REPLY_UNKNOWN_USER },
	{ SLICE("email account that you tried to reach is over quota"),
	    REPLY_MAILBOX_FULL },
	{ SLICE("email account that you tried to reach is inactive"),
	    REPLY_UNKNOWN_USER },
	{ SLICE("email account that you tried to reach is disabled"),
	    REPLY_UNKNOWN_USER },
	{ SLICE("email account that you tried to reach does not exist"),
	    REPLY_UNKNOWN_USER },
	{ SLICE("trying to contact is receiving mail at a rate"), REPLY_RATE },
	{ SLICE("trying to contact is receiving mail too quickly"),
	    REPLY_RATE },
	/* who sends it: before the lists, for they name their reason */
	{ SLICE("sender is unauthenticated"), REPLY_AUTH },
	{ SLICE("authentication level"), REPLY_AUTH },
	{ SLICE("authentication information"), REPLY_AUTH },
	{ SLICE("turn on smtp authentication"), REPLY_AUTH },
	{ SLICE("dmarc"), REPLY_AUTH },
	{ SLICE("spf check"), REPLY_AUTH },
	{ SLICE("spf fail"), REPLY_AUTH },
	{ SLICE("failed spf"), REPLY_AUTH },
	{ SLICE("spf record"), REPLY_AUTH },
	{ SLICE("spf validation"), REPLY_AUTH },
	{ SLICE("openspf.org"), REPLY_AUTH },
	{ SLICE("dkim"), REPLY_AUTH },
	{ SLICE("unauthenticated email"), REPLY_AUTH },
	{ SLICE("authentication required"), REPLY_AUTH },
	{ SLICE("authentication is required"), REPLY_AUTH },
	{ SLICE("authentication failed"), REPLY_AUTH },
	{ SLICE("authentication unsuccessful"), REPLY_AUTH },
	{ SLICE("authentication credentials invalid"), REPLY_AUTH },
	{ SLICE("not authenticated"), REPLY_AUTH },
	{ SLICE("cannot find your hostname"), REPLY_AUTH },
	{ SLICE("cannot find your reverse hostname"), REPLY_AUTH },
	{ SLICE("reverse dns"), REPLY_AUTH },
	{ SLICE("ptr record"), REPLY_AUTH },
	{ SLICE("ptr resource record"), REPLY_AUTH },
	{ SLICE("no ptr"), REPLY_AUTH },
	{ SLICE("does not have a reverse"), REPLY_AUTH },
	/* in a circle: nothing for a class, but not "too many" of anything */
	{ SLICE("too many hops"), REPLY_OTHER },
	{ SLICE("hop count exceeded"), REPLY_OTHER },
	{ SLICE("mail loop"), REPLY_OTHER },
	/* too much, too fast */
	{ SLICE("frequency limited"), REPLY_RATE },
	{ SLICE("rate limit"), REPLY_RATE },
	{ SLICE("ratelimit"), REPLY_RATE },
	{ SLICE("rate-limit"), REPLY_RATE },
	{ SLICE("rate exceed"), REPLY_RATE },
	{ SLICE("unusual rate"), REPLY_RATE },
	{ SLICE("throttl"), REPLY_RATE },
	{ SLICE("too many connections"), REPLY_RATE },
	{ SLICE("too many concurrent"), REPLY_RATE },
	{ SLICE("too many simultaneous"), REPLY_RATE },
	{ SLICE("too many messages"), REPLY_RATE },
	{ SLICE("too many emails"), REPLY_RATE },
	{ SLICE("too many mails"), REPLY_RATE },
	{ SLICE("too many recipients"), REPLY_RATE },
	{ SLICE("too much mail"), REPLY_RATE },
	{ SLICE("too fast"), REPLY_RATE },
	{ SLICE("too frequent"), REPLY_RATE },
	{ SLICE("sending limit"), REPLY_RATE },
	{ SLICE("connection limit"), REPLY_RATE },
	{ SLICE("maximum number of connections"), REPLY_RATE },
	{ SLICE("connection rate"), REPLY_RATE },
	{ SLICE("message rate"), REPLY_RATE },
	{ SLICE("hourly limit"), REPLY_RATE },
	{ SLICE("daily limit"), REPLY_RATE },
	{ SLICE("slow down"), REPLY_RATE },
	{ SLICE("server busy"), REPLY_RATE },
	{ SLICE("too busy"), REPLY_RATE },
	{ SLICE("temporarily deferred due to"), REPLY_RATE },
	{ SLICE("unusual traffic"), REPLY_RATE },
	/* block lists and spam: "user unknown" never stands beside these */
	{ SLICE("spamhaus"), REPLY_POLICY },
	{ SLICE("spamcop"), REPLY_POLICY },
	{ SLICE("barracudacentral"), REPLY_POLICY },
	{ SLICE("sorbs.net"), REPLY_POLICY },
	{ SLICE("dnsbl"), REPLY_POLICY },
	{ SLICE("blocked using"), REPLY_POLICY },
	{ SLICE("block list"), REPLY_POLICY },
	{ SLICE("blocklist"), REPLY_POLICY },
	{ SLICE("blacklist"), REPLY_POLICY },
	{ SLICE("black listed"), REPLY_POLICY },
	{ SLICE("banned sending ip"), REPLY_POLICY },
	{ SLICE("unsolicited mail"), REPLY_POLICY },
	{ SLICE("unsolicited bulk"), REPLY_POLICY },
	{ SLICE("detected as spam"), REPLY_POLICY },
	{ SLICE("classified as spam"), REPLY_POLICY },
	{ SLICE("considered spam"), REPLY_POLICY },
	{ SLICE("looks like spam"), REPLY_POLICY },
	{ SLICE("spam message"), REPLY_POLICY },
	{ SLICE("spam content"), REPLY_POLICY },
	{ SLICE("anti-spam"), REPLY_POLICY },
	{ SLICE("greylist"), REPLY_POLICY },
	{ SLICE("graylist"), REPLY_POLICY },
	{ SLICE("grey listed"), REPLY_POLICY },
	{ SLICE("relay access denied"), REPLY_POLICY },
	{ SLICE("relaying denied"), REPLY_POLICY },
	{ SLICE("relay not permitted"), REPLY_POLICY },
	{ SLICE("relaying not allowed"), REPLY_POLICY },
	{ SLICE("unable to relay"), REPLY_POLICY },
	{ SLICE("not permitted to relay"), REPLY_POLICY },
	{ SLICE("list of allowed rcpthosts"), REPLY_POLICY },
	{ SLICE("poor reputation"), REPLY_POLICY },
	{ SLICE("low reputation"), REPLY_POLICY },
	{ SLICE("bad reputation"), REPLY_POLICY },
	{ SLICE("policy reasons"), REPLY_POLICY },
	{ SLICE("sender address rejected"), REPLY_POLICY },
	{ SLICE("sender rejected"), REPLY_POLICY },
	{ SLICE("sender denied"), REPLY_POLICY },
	{ SLICE("sender verify failed"), REPLY_POLICY },
	{ SLICE("verification failed for"), REPLY_POLICY },
	/* full */
	{ SLICE("mailbox full"), REPLY_MAILBOX_FULL },
	{ SLICE("mailbox is full"), REPLY_MAILBOX_FULL },
	{ SLICE("mailbox quota"), REPLY_MAILBOX_FULL },
	{ SLICE("mailfolder is full"), REPLY_MAILBOX_FULL },
	{ SLICE("inbox is full"), REPLY_MAILBOX_FULL },
	{ SLICE("over quota"), REPLY_MAILBOX_FULL },
	{ SLICE("overquota"), REPLY_MAILBOX_FULL },
	{ SLICE("quota exceeded"), REPLY_MAILBOX_FULL },
	{ SLICE("exceeded storage"), REPLY_MAILBOX_FULL },
	{ SLICE("exceeded its quota"), REPLY_MAILBOX_FULL },
	{ SLICE("exceeds its quota"), REPLY_MAILBOX_FULL },
	{ SLICE("storequota"), REPLY_MAILBOX_FULL },
	{ SLICE("out of storage space"), REPLY_MAILBOX_FULL },
	{ SLICE("not enough space in the mailbox"), REPLY_MAILBOX_FULL },
	/* nobody */
	{ SLICE("user unknown"), REPLY_UNKNOWN_USER },
	{ SLICE("unknown user"), REPLY_UNKNOWN_USER },
	{ SLICE("unknown recipient"), REPLY_UNKNOWN_USER },
	{ SLICE("recipient unknown"), REPLY_UNKNOWN_USER },
	{ SLICE("unknown local"), REPLY_UNKNOWN_USER },
	{ SLICE("unknown address"), REPLY_UNKNOWN_USER },
	{ SLICE("address unknown"), REPLY_UNKNOWN_USER },
	{ SLICE("no such user"), REPLY_UNKNOWN_USER },
	{ SLICE("no such recipient"), REPLY_UNKNOWN_USER },
	{ SLICE("no such person"), REPLY_UNKNOWN_USER },
	{ SLICE("no such mailbox"), REPLY_UNKNOWN_USER },
	{ SLICE("no such address"), REPLY_UNKNOWN_USER },
	{ SLICE("no mailbox"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox not found"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox does not exist"), REPLY_UNKNOWN_USER },
	{ SLICE("user doesn't have a"), REPLY_UNKNOWN_USER },
	{ SLICE("user does not exist"), REPLY_UNKNOWN_USER },
	{ SLICE("user not found"), REPLY_UNKNOWN_USER },
	{ SLICE("recipient not found"), REPLY_UNKNOWN_USER },
	{ SLICE("recipient does not exist"), REPLY_UNKNOWN_USER },
	{ SLICE("address does not exist"), REPLY_UNKNOWN_USER },
	{ SLICE("does not have an account"), REPLY_UNKNOWN_USER },
	{ SLICE("not a known user"), REPLY_UNKNOWN_USER },
	{ SLICE("unrouteable address"), REPLY_UNKNOWN_USER },
	{ SLICE("invalid recipient"), REPLY_UNKNOWN_USER },
	{ SLICE("invalid mailbox"), REPLY_UNKNOWN_USER },
	{ SLICE("account has been disabled"), REPLY_UNKNOWN_USER },
	{ SLICE("account is disabled"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox disabled"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox is disabled"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox is inactive"), REPLY_UNKNOWN_USER },
	{ SLICE("user suspended"), REPLY_UNKNOWN_USER },
	/* the bytes */
	{ SLICE("virus"), REPLY_CONTENT },
	{ SLICE("malware"), REPLY_CONTENT },
	{ SLICE("message size exceeds"), REPLY_CONTENT },
	{ SLICE("size limit"), REPLY_CONTENT },
	{ SLICE("message too large"), REPLY_CONTENT },
	{ SLICE("message is too large"), REPLY_CONTENT },
	{ SLICE("maximum message size"), REPLY_CONTENT },
	{ SLICE("illegal attachment"), REPLY_CONTENT },
	{ SLICE("blocked attachment"), REPLY_CONTENT },
	{ SLICE("because its content presents a potential"), REPLY_CONTENT },
	/* TLS */
	{ SLICE("starttls"), REPLY_TLS },
	{ SLICE("encryption required"), REPLY_TLS },
	{ SLICE("tls required"), REPLY_TLS },
	{ SLICE("tls handshake"), REPLY_TLS },
	{ SLICE("tls not available"), REPLY_TLS },
	{ SLICE("over a tls connection"), REPLY_TLS },
	/* theirs, and nothing for a class */
	{ SLICE("disk space"), REPLY_OTHER },
	{ SLICE("insufficient system"), REPLY_OTHER },
};

/* What a code that says something says (RFC 3463, 7372, 7505, 8689). */
static const struct {
	uint16_t subject, detail;
	enum reply_class class;
} codes[] = {
	{ 1, 0, REPLY_UNKNOWN_USER },
	{ 1, 1, REPLY_UNKNOWN_USER },
	{ 1, 2, REPLY_DNS },
	{ 1, 3, REPLY_UNKNOWN_USER },
	{ 1, 4, REPLY_UNKNOWN_USER },
	{ 1, 6, REPLY_UNKNOWN_USER },
	{ 1, 7, REPLY_POLICY },
	{ 1, 8, REPLY_POLICY },
	{ 1, 10, REPLY_DNS },
	{ 2, 1, REPLY_UNKNOWN_USER },
	{ 2, 2, REPLY_MAILBOX_FULL },
	{ 2, 3, REPLY_CONTENT },
	{ 3, 2, REPLY_NETWORK },
	{ 3, 4, REPLY_CONTENT },
	{ 4, 1, REPLY_NETWORK },
	{ 4, 2, REPLY_NETWORK },
	{ 4, 3, REPLY_DNS },
	{ 4, 4, REPLY_DNS },
	{ 4, 5, REPLY_RATE },
	{ 4, 6, REPLY_OTHER },
	{ 5, 3, REPLY_RATE },
	{ 6, ANY, REPLY_CONTENT },
	{ 7, 4, REPLY_TLS },
	{ 7, 5, REPLY_TLS },
	{ 7, 8, REPLY_AUTH },
	{ 7, 9, REPLY_AUTH },
	{ 7, 10, REPLY_TLS },
	{ 7, 11, REPLY_TLS },
	{ 7, 12, REPLY_AUTH },
	{ 7, 13, REPLY_AUTH },
	{ 7, 17, REPLY_POLICY },
	{ 7, 19, REPLY_POLICY },
	{ 7, 20, REPLY_AUTH },
	{ 7, 21, REPLY_AUTH },
	{ 7, 22, REPLY_AUTH },
	{ 7, 23, REPLY_AUTH },
	{ 7, 24, REPLY_AUTH },
	{ 7, 25, REPLY_AUTH },
	{ 7, 26, REPLY_AUTH },
	{ 7, 28, REPLY_RATE },
	{ 7, 29, REPLY_AUTH },
	{ 7, 30, REPLY_TLS },
	{ 7, ANY, REPLY_POLICY },
};

/* Where the code says nothing that could be used. */
static const struct phrase hints[] = {
	{ SLICE("spam"), REPLY_POLICY },
	{ SLICE("policy"), REPLY_POLICY },
	{ SLICE("reputation"), REPLY_POLICY },
	{ SLICE("blocked"), REPLY_POLICY },
	{ SLICE("access denied"), REPLY_POLICY },
	{ SLICE("rejected due to"), REPLY_POLICY },
	{ SLICE("administrative prohibition"), REPLY_POLICY },
	{ SLICE("not authorized"), REPLY_POLICY },
	{ SLICE("your access to"), REPLY_POLICY },
	{ SLICE("content denied"), REPLY_POLICY },
	{ SLICE("come again"), REPLY_POLICY },
	{ SLICE("try again in"), REPLY_POLICY },
	{ SLICE("not our customer"), REPLY_UNKNOWN_USER },
	{ SLICE("#5.1.0 address rejected"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox unavailable"), REPLY_UNKNOWN_USER },
	{ SLICE("mailbox not available"), REPLY_UNKNOWN_USER },
	{ SLICE("unavailable"), REPLY_NETWORK },
	{ SLICE("account"), REPLY_UNKNOWN_USER },
	{ SLICE("nobody"), REPLY_UNKNOWN_USER },
	{ SLICE("quota"), REPLY_MAILBOX_FULL },
	{ SLICE("size"), REPLY_CONTENT },
	{ SLICE("too big"), REPLY_CONTENT },
	{ SLICE("too large"), REPLY_CONTENT },
	{ SLICE("attachment"), REPLY_CONTENT },
	{ SLICE("header"), REPLY_CONTENT },
	{ SLICE("too many"), REPLY_RATE },
	{ SLICE("busy"), REPLY_RATE },
	{ SLICE("load"), REPLY_RATE },
	{ SLICE("timeout"), REPLY_NETWORK },
	{ SLICE("timed out"), REPLY_NETWORK },
	{ SLICE("shutting down"), REPLY_NETWORK },
	{ SLICE("domain not found"), REPLY_DNS },
};

static const struct {
	uint16_t code;
	enum reply_class class;
} replies[] = {
	{ 0, REPLY_NETWORK },
	{ 421, REPLY_NETWORK },
	{ 454, REPLY_TLS },
	{ 523, REPLY_CONTENT },
	{ 530, REPLY_AUTH },
	{ 534, REPLY_AUTH },
	{ 535, REPLY_AUTH },
	{ 538, REPLY_TLS },
	{ 551, REPLY_UNKNOWN_USER },
	{ 552, REPLY_MAILBOX_FULL },
	{ 556, REPLY_DNS },
};

static const struct {
	const char *name, *meaning, *advice;
} classes[] = {
	[REPLY_OTHER] = { "other", "The server did not take the message.",
	    "If the words of the server do not help, ask the recipient in "
	    "another way." },
	[REPLY_UNKNOWN_USER] = { "unknown-user",
	    "There is no such mailbox there.",
	    "Look for a slip of the pen in the address, or ask the recipient "
	    "in another way\r\n    whether it is still in use." },
	[REPLY_MAILBOX_FULL] = { "mailbox-full", "The mailbox is full.",
	    "Only the recipient can make room. Try it again later, or use "
	    "another way." },
	[REPLY_POLICY] = { "policy",
	    "The server refused the message for reasons of its own policy.",
	    "Whoever runs your mail server can ask the operators of that one "
	    "why." },
	[REPLY_CONTENT] = { "content",
	    "The server does not take a message of this size or form.",
	    "Send it in another form: smaller, without attachments, or with a "
	    "link instead." },
	[REPLY_NETWORK] = { "network",
	    "The server for this address could not be reached.",
	    "There is nothing you can mend. Try it again later, or use "
	    "another way." },
	[REPLY_DNS] = { "dns",
	    "The part behind the @ leads to no server that takes mail.",
	    "Look for a slip of the pen there. If it is right, only the "
	    "domain's operators can\r\n    mend it." },
	[REPLY_TLS] = { "tls",
	    "The connection to that server is not safe enough for the "
	    "message.",
	    "Only the operators of that server can mend its TLS; yours can "
	    "tell them." },
	[REPLY_AUTH] = { "auth",
	    "The server was not shown that the message is really yours.",
	    "Whoever runs your mail server must look into it: logins, SPF, "
	    "DKIM, DMARC,\r\n    reverse names." },
	[REPLY_RATE] = { "rate", "The server got too much mail too fast.",
	    "Wait a while before you send it again." },
};

static bool
find_phrase(const struct phrase *all, size_t n, struct slice text,
    enum reply_class *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_find_nocase(text, all[i].words) == SIZE_MAX)
			continue;
		*ret = all[i].class;
		return true;
	}
	return false;
}

static bool
find_code(const struct esc *esc, enum reply_class *ret)
{
	for (size_t i = 0; i < N(codes); i++) {
		if (codes[i].subject != esc->subject ||
		    (codes[i].detail != esc->detail && codes[i].detail != ANY))
			continue;
		*ret = codes[i].class;
		return true;
	}
	return false;
}

/* "X.7.1" and "X.7.0" are said of everything (RFC 3463, 3.8): hints come
 * first. */
static bool
is_vague(const struct esc *esc)
{
	return esc->class == 0 || esc->subject == 0 ||
	    (esc->subject == 7 && esc->detail <= 1) ||
	    (esc->subject == 1 && esc->detail == 0);
}

enum reply_class
reply_classify(const struct verdict *v)
{
	struct slice text = slice_upto(v->text, TEXT_SEEN);
	enum reply_class found = REPLY_OTHER;

	if (verdict_is_ok(v) || find_phrase(sure, N(sure), text, &found))
		return found;
	if (!is_vague(&v->esc) && find_code(&v->esc, &found))
		return found;
	if (find_phrase(hints, N(hints), text, &found))
		return found;
	if (v->esc.class != 0 && find_code(&v->esc, &found))
		return found;
	for (size_t i = 0; i < N(replies); i++)
		if (replies[i].code == v->code)
			return replies[i].class;
	return REPLY_OTHER;
}

const char *
reply_class_name(enum reply_class c)
{
	return classes[c].name;
}

bool
reply_class_parse(struct slice name, enum reply_class *ret)
{
	for (size_t i = 0; i < N(classes); i++) {
		if (!slice_equal(name, slice_cstr(classes[i].name)))
			continue;
		*ret = (enum reply_class)i;
		return true;
	}
	return false;
}

const char *
reply_class_advice(enum reply_class c)
{
	return classes[c].advice;
}

const char *
reply_class_meaning(enum reply_class c)
{
	return classes[c].meaning;
}
