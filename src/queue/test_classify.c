/* SPDX-License-Identifier: ISC */
/*
 * What servers of this world say when they do not want a mail, and what kind of
 * trouble that is. The lines are as such servers send them, with addresses and
 * names of examples.
 */
#include "base/test.h"
#include "queue/classify.h"
#include "smtp/reply.h"

#define USER REPLY_UNKNOWN_USER
#define FULL REPLY_MAILBOX_FULL
#define POLICY REPLY_POLICY
#define CONTENT REPLY_CONTENT
#define NETWORK REPLY_NETWORK
#define DNS REPLY_DNS
#define TLS REPLY_TLS
#define AUTH REPLY_AUTH
#define RATE REPLY_RATE
#define OTHER REPLY_OTHER

static const struct {
	const char *line;
	enum reply_class class;
} lines[] = {
	/* Gmail */
	{ "550 5.1.1 The email account that you tried to reach does not exist. "
	  "Please try double-checking the recipient's email address for typos",
	    USER },
	{ "550 5.2.1 The email account that you tried to reach is disabled.",
	    USER },
	{ "550 5.2.1 The email account that you tried to reach is inactive.",
	    USER },
	{ "452 4.2.2 The recipient's inbox is out of storage space.", FULL },
	{ "552 5.2.2 The email account that you tried to reach is over quota. "
	  "Please direct the recipient to",
	    FULL },
	{ "450 4.2.1 The user you are trying to contact is receiving mail at a "
	  "rate that prevents additional messages from being delivered.",
	    RATE },
	{ "450 4.2.1 The user you are trying to contact is receiving mail too "
	  "quickly.",
	    RATE },
	{ "421 4.7.28 Our system has detected an unusual rate of unsolicited "
	  "mail originating from your IP address.",
	    RATE },
	{ "550 5.7.1 Our system has detected that this message is likely "
	  "unsolicited mail. To reduce the amount of spam sent to Gmail, this "
	  "message has been blocked.",
	    POLICY },
	{ "550 5.7.26 Unauthenticated email from one.example is not accepted "
	  "due to domain's DMARC policy.",
	    AUTH },
	{ "550 5.7.26 Your email has been blocked because the sender is "
	  "unauthenticated. Gmail requires all senders to authenticate with "
	  "either SPF or DKIM.",
	    AUTH },
	{ "550 5.7.25 The IP address sending this message does not have a PTR "
	  "record setup",
	    AUTH },
	{ "552 5.7.0 This message was blocked because its content presents a "
	  "potential security issue.",
	    CONTENT },
	{ "552 5.3.4 Your message exceeded Google's message size limits.",
	    CONTENT },
	{ "421 4.7.0 Try again later, closing connection.", POLICY },
	{ "421 4.3.0 Temporary System Problem. Try again later.", NETWORK },
	{ "530 5.7.0 Authentication Required.", AUTH },
	{ "535 5.7.8 Username and Password not accepted.", AUTH },
	{ "550 5.4.5 Daily user sending limit exceeded.", RATE },
	{ "421 4.7.29 This message was not sent over a TLS connection.", TLS },
	/* Outlook, Exchange */
	{ "550 5.5.0 Requested action not taken: mailbox unavailable "
	  "(S2017062302).",
	    USER },
	{ "550 5.4.1 Recipient address rejected: Access denied. "
	  "[x.prod.protection.outlook.example]",
	    USER },
	{ "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by "
	  "SMTP address lookup",
	    USER },
	{ "550 5.1.1 RESOLVER.ADR.ExRecipNotFound; not found", USER },
	{ "550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. "
	  "Please contact your Internet service provider since part of their "
	  "network is on our block list (S3150).",
	    POLICY },
	{ "550 5.7.606 Access denied, banned sending IP [192.0.2.1].", POLICY },
	{ "550 5.7.511 Access denied, banned sender[192.0.2.1].", POLICY },
	{ "451 4.7.500 Server busy. Please try again later from [192.0.2.1].",
	    RATE },
	{ "451 4.7.650 The mail server [192.0.2.1] has been temporarily rate "
	  "limited due to IP reputation.",
	    RATE },
	{ "550 5.7.23 The message was rejected because of Sender Policy "
	  "Framework violation",
	    AUTH },
	{ "550 5.7.509 Access denied, sending domain one.example does not "
	  "pass DMARC verification and has a DMARC policy of reject.",
	    AUTH },
	{ "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:"
	  "QuotaExceededException",
	    FULL },
	{ "550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this "
	  "recipient",
	    CONTENT },
	{ "550 5.7.1 Unable to relay", POLICY },
	{ "550 5.7.64 TenantAttribution; Relay Access Denied", POLICY },
	{ "452 4.3.1 Insufficient system resources", OTHER },
	{ "451 4.7.0 Temporary server error. Please try again later.", POLICY },
	{ "550 5.4.4 Invalid domain name", DNS },
	/* Yahoo, AOL */
	{ "554 delivery error: dd This user doesn't have a yahoo.example "
	  "account (user@yahoo.example) [0]",
	    USER },
	{ "554 delivery error: dd Requested mail action aborted, mailbox not "
	  "found",
	    USER },
	{ "552 1 Requested mail action aborted, mailbox not found", USER },
	{ "552 5.2.2 user over quota", FULL },
	{ "421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due "
	  "to unexpected volume or user complaints",
	    RATE },
	{ "421 4.7.1 [TS03] All messages from 192.0.2.1 will be permanently "
	  "deferred; Retrying will NOT succeed.",
	    POLICY },
	{ "553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, "
	  "because the ip is in Spamhaus's list",
	    POLICY },
	{ "554 5.7.9 Message not accepted for policy reasons.", POLICY },
	{ "451 Resources temporarily not available - Please try again later",
	    OTHER },
	/* iCloud, GMX, T-Online and others of their kind */
	{ "550 5.1.1 <user@two.example>: user does not exist", USER },
	{ "550 5.1.1 unknown or illegal alias: user@two.example", USER },
	{ "554 5.7.1 [CS01] Message rejected due to local policy.", POLICY },
	{ "550 Requested action not taken: mailbox unavailable", USER },
	{ "554 No SMTP service. Bad DNS PTR resource record.", AUTH },
	{ "554 IP=192.0.2.1 - None/bad reputation.", POLICY },
	{ "421 invalid sender domain 'one.example' (misconfigured dns?)",
	    NETWORK },
	{ "550 5.7.1 Message rejected: too many emails from your network",
	    RATE },
	/* Postfix */
	{ "550 5.1.1 <user@two.example>: Recipient address rejected: User "
	  "unknown in local recipient table",
	    USER },
	{ "450 4.1.1 <user@two.example>: Recipient address rejected: User "
	  "unknown in virtual mailbox table",
	    USER },
	{ "550 5.1.1 <user@two.example>: Recipient address rejected: "
	  "undeliverable address: unknown user: \"user\"",
	    USER },
	{ "554 5.7.1 <user@two.example>: Relay access denied", POLICY },
	{ "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked "
	  "using zen.spamhaus.org",
	    POLICY },
	{ "450 4.2.0 <user@two.example>: Recipient address rejected: "
	  "Greylisted, see http://postgrey.example/help",
	    POLICY },
	{ "450 4.7.1 Client host rejected: cannot find your reverse hostname, "
	  "[192.0.2.1]",
	    AUTH },
	{ "450 4.7.25 Client host rejected: cannot find your hostname, "
	  "[192.0.2.1]",
	    AUTH },
	{ "550 5.1.8 <a@one.example>: Sender address rejected: Domain not "
	  "found",
	    POLICY },
	{ "552 5.3.4 Message size exceeds fixed limit", CONTENT },
	{ "452 4.3.1 Insufficient system storage", OTHER },
	{ "452 4.5.3 Error: too many recipients", RATE },
	{ "421 4.7.0 mx.two.example Error: too many connections from "
	  "192.0.2.1",
	    RATE },
	{ "450 4.7.1 Error: too much mail from 192.0.2.1", RATE },
	{ "530 5.7.0 Must issue a STARTTLS command first", TLS },
	{ "454 4.7.0 TLS not available due to local problem", TLS },
	{ "550 5.7.1 Message content rejected, id=1 - virus found", CONTENT },
	{ "452 4.2.2 <user@two.example>: Recipient address rejected: Mailbox "
	  "is full / Blocks limit exceeded / Inode limit exceeded",
	    FULL },
	{ "552 5.2.2 <user@two.example> Quota exceeded (mailbox for user is "
	  "full)",
	    FULL },
	/* Exim */
	{ "550 Unrouteable address", USER },
	{ "550 No such person at this address", USER },
	{ "550 No Such User Here", USER },
	{ "550 relay not permitted", POLICY },
	{ "550 Administrative prohibition", POLICY },
	{ "550 Verification failed for <a@one.example> Sender verify failed",
	    POLICY },
	{ "451 Temporary local problem - please try later", OTHER },
	{ "550 This message was classified as SPAM and may not be delivered",
	    POLICY },
	{ "421 Too many concurrent SMTP connections; please try again later.",
	    RATE },
	{ "552 message size exceeds maximum permitted", CONTENT },
	/* qmail, vpopmail, netqmail */
	{ "550 sorry, no mailbox here by that name. (#5.7.17)", USER },
	{ "511 sorry, no mailbox here by that name (#5.1.1 - chkuser)", USER },
	{ "553 sorry, that domain isn't in my list of allowed rcpthosts "
	  "(#5.7.1)",
	    POLICY },
	{ "552 sorry, that message size exceeds my databytes limit (#5.3.4)",
	    CONTENT },
	{ "451 qq temporary problem (#4.3.0)", OTHER },
	{ "552 user is over quota", FULL },
	/* Courier, sendmail, others */
	{ "550 User unknown.", USER },
	{ "550 5.1.1 User unknown", USER },
	{ "513 Relaying denied.", POLICY },
	{ "550 5.7.1 Mail from 192.0.2.1 refused by blackhole site "
	  "bl.spamcop.example",
	    POLICY },
	{ "451 4.1.8 Domain of sender address a@one.example does not resolve",
	    POLICY },
	{ "554 5.7.1 Rejected 192.0.2.1 found in dnsbl.sorbs.net", POLICY },
	{ "452 4.4.5 Insufficient disk space; try again later", OTHER },
	{ "550 5.7.1 DKIM signature did not verify", AUTH },
	{ "550 5.7.1 SPF check failed", AUTH },
	{ "550 5.6.1 8-bit data is not allowed here", CONTENT },
	{ "571 Delivery not authorized, message refused", POLICY },
	{ "551 User not local; please try <user@three.example>", USER },
	{ "421 4.3.2 Service shutting down", NETWORK },
	{ "521 5.3.2 This host never accepts mail", NETWORK },
	{ "556 5.1.10 The domain accepts no mail", DNS },
	{ "421 4.7.0 This message does not have authentication information "
	  "or fails to pass authentication checks. To best protect our "
	  "users from spam, the message has been blocked.",
	    AUTH },
	{ "550 5.7.27 Your email has been blocked because the sender is "
	  "unauthenticated. Gmail requires all senders to authenticate "
	  "with SPF.",
	    AUTH },
	{ "550 5.7.515 Access denied, sending domain ONE.EXAMPLE doesn't "
	  "meet the required authentication level.",
	    AUTH },
	{ "550 #5.1.0 Address rejected.", USER },
	{ "550 #5.7.1 Your access to submit messages to this e-mail system "
	  "has been rejected.",
	    POLICY },
	{ "554 No SMTP service - IP address is black listed.", POLICY },
	{ "550 Connection frequency limited.", RATE },
	{ "550 Mail content denied.", POLICY },
	{ "550 Please turn on SMTP Authentication in your mail client", AUTH },
	/* of the sender, though the code is one of addresses */
	{ "550 5.1.0 <a@one.example> sender rejected", POLICY },
	{ "550 5.1.0 Sender Denied", POLICY },
	/* a loop is not too much mail */
	{ "554 5.4.6 Too many hops", OTHER },
	{ "554 5.4.0 Error: too many hops", OTHER },
	{ "554 too many hops, this message is looping (#5.4.6)", OTHER },
	{ "554 5.4.14 Hop count exceeded - possible mail loop ATTR34", OTHER },
	{ "554 5.4.6 too many of these", OTHER },
	/* our own */
	{ "451 4.4.1 cannot connect to mx.two.example [192.0.2.2]:25: "
	  "Connection refused",
	    NETWORK },
	{ "451 4.4.2 no reply in time", NETWORK },
	{ "451 4.4.3 no answer from the DNS in time", DNS },
	{ "550 5.4.4 the domain has no host for mail", DNS },
	{ "451 4.7.5 TLS handshake failed: wrong version", TLS },
	{ "550 5.7.30 the sender asks for verified TLS all the way", TLS },
	{ "554 5.6.3 8-bit mail, and the remote server takes 7-bit only",
	    CONTENT },
	{ "554 5.6.7 internationalised address", CONTENT },
	/* bare and odd */
	{ "550 ", OTHER },
	{ "550 no", OTHER },
	{ "000 ", NETWORK },
	{ "999 x", OTHER },
	{ "250 2.1.5 user unknown, but who cares", OTHER },
	{ "550 5.0.0 go away", OTHER },
	{ "550 5.7.1 go away", POLICY },
};

static struct verdict
verdict_of(const char *line)
{
	struct verdict v = { 0 };

	v.code = (uint16_t)((line[0] - '0') * 100 + (line[1] - '0') * 10 +
	    (line[2] - '0'));
	v.text = slice_cstr(line + 4);
	(void)smtp_esc_take(&v.text, &v.esc);
	return v;
}

static void
lines_by_table(void **state)
{
	(void)state;
	assert_true(sizeof(lines) / sizeof(lines[0]) >= 80);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct verdict v = verdict_of(lines[i].line);
		struct slice text = test_exact_copy(v.text);

		test_case(lines[i].line);
		v.text = text;
		test_slice(slice_cstr(reply_class_name(reply_classify(&v))),
		    slice_cstr(reply_class_name(lines[i].class)));
		test_free_copy(text);
	}
}

static void
names_go_both_ways(void **state)
{
	enum reply_class c;

	(void)state;
	for (int i = 0; i < REPLY_CLASSES; i++) {
		const char *name = reply_class_name((enum reply_class)i);

		test_case(name);
		test_true(reply_class_parse(slice_cstr(name), &c));
		test_int(c, i);
		test_true(reply_class_advice(c)[0] != '\0');
	}
	test_true(!reply_class_parse(SLICE("nothing"), &c));
	test_true(!reply_class_parse(SLICE(""), &c));
}

TEST_MAIN(cmocka_unit_test(lines_by_table),
    cmocka_unit_test(names_go_both_ways))
