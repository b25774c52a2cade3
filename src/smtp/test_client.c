/* SPDX-License-Identifier: ISC */
/*
 * Conversations of the client, each a script:
 *   < the server says      > the client must have said
 *   R T B D X  next() must say READY, START_TLS (then TLS is up), BODY,
 *              MAIL_DONE, CLOSED; W: WAIT
 *   M n [8bit] a mail of 5,000 bytes to n recipients; bad: the first of them
 *              is no address
 *   b text     a piece of body; e: its end; Q: quit; L: connection lost
 *   = text     the client must have said these octets
 *   O i code   outcome of recipient i ("-": none); F code: the failure
 *   t name     the time-out that runs
 * All of them run with the server's bytes whole and one at a time.
 */
#include "base/limits.h"
#include "base/test.h"
#include "smtp/client.h"

static const struct {
	const char *what;
	enum smtp_client_tls tls;
	bool has_login;
	const char *script;
} scripts[] = {
	{ "a mail, one command at a time", SMTP_TLS_MAY, false,
	    "t greeting\n< 220 mx\n> EHLO here.example\nt command\n"
	    "< 250-mx\n< 250 SIZE 10000\nR\nt none\nM 2\n"
	    "> MAIL FROM:<a@one.example> SIZE=5000\nt mail\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\nt rcpt\n< 250 ok\n"
	    "> RCPT TO:<r1@two.example>\n< 550 5.1.1 no\n"
	    "> DATA\nt data\n< 354 go\nB\nt block\nb x\\r\\n.y\\r\\n\ne\n"
	    "> x\n> ..y\n> .\nt dot\n< 250 2.0.0 kept\nD\nO 0 250\nO 1 550\n"
	    "R\nQ\n> QUIT\n< 221 bye\nX\nF 0\n" },
	{ "pipelined, two mails", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> RCPT TO:<r1@two.example>\n> DATA\n< 250 ok\n< 450 4.2.1 later\n"
	    "< 250 ok\n< 354 go\nB\nb x\ne\n> x\n> .\n< 250 ok\nD\nO 0 450\n"
	    "O 1 250\nR\nM 1\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r0@two.example>\n> DATA\n< 250 ok\n< 250 ok\n< 354 x\n"
	    "B\ne\n> .\n< 452 full\nD\nO 0 452\nR\n" },
	{ "pipelined, all refused, and the server says 354", SMTP_TLS_NEVER,
	    false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 1\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> DATA\n< 250 ok\n< 550 no\n< 354 go\nW\n> .\n< 250 odd\nD\n"
	    "O 0 550\nR\n" },
	{ "all refused: RSET before the next", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 550 no\nD\nO 0 550\nR\nM 1\n> RSET\n< 250 ok\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 "
	    "250\nR\n" },
	{ "pipelined RSET", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 1\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> DATA\n< 250 ok\n< 550 no\n< 554 none\nD\nO 0 550\nR\nM 1\n"
	    "> RSET\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> DATA\n< 250 ok\n< 250 ok\n< 250 ok\n< 354 go\nB\ne\n> .\n"
	    "< 250 ok\nD\nO 0 250\nR\n" },
	{ "MAIL refused", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 2\n"
	    "> MAIL FROM:<a@one.example>\n< 550 5.7.1 no\nD\nO 0 550\nO 1 550\n"
	    "R\n" },
	{ "MAIL refused, pipelined", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 1\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> DATA\n< 451 later\n< 503 no\n< 503 no\nD\nO 0 451\nR\n" },
	{ "552 behind an accepted one is too many", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> RCPT TO:<r1@two.example>\n> DATA\n< 250 ok\n< 250 ok\n"
	    "< 552 too many\n< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 250\n"
	    "O 1 452\nR\n" },
	{ "552 of a full mailbox is not", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r0@two.example>\n"
	    "> RCPT TO:<r1@two.example>\n> DATA\n< 250 ok\n< 250 ok\n"
	    "< 552 5.2.2 full\n< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 250\n"
	    "O 1 552\nR\n" },
	{ "552 of the first is not", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 552 no\nD\nO 0 552\nR\n" },
	{ "DATA refused", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 451 no\nD\nO 0 451\nR\n" },
	{ "HELO", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 502 what\n> HELO here.example\n"
	    "< 250 mx\nR\nM 1\n> MAIL FROM:<a@one.example>\n" },
	{ "EHLO refused for now", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 450 later\nX\nF 450\n" },
	{ "no greeting", SMTP_TLS_MAY, false, "< 554 5.7.1 no\nX\nF 554\n" },
	{ "a greeting that is none", SMTP_TLS_MAY, false,
	    "< 250 mx\nX\nF 451\n" },
	{ "354 to EHLO", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 354 go\nX\nF 451\n" },
	{ "greeting of many lines", SMTP_TLS_MAY, false,
	    "< 220-mx\n< 220-be nice\n< 220 go\n> EHLO here.example\n" },
	{ "STARTTLS", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-PIPELINING\n"
	    "< 250 STARTTLS\n> STARTTLS\n< 220 go\nT\n> EHLO here.example\n"
	    "< 250-mx\n< 250 STARTTLS\nR\nM 1\n> MAIL FROM:<a@one.example>\n" },
	{ "bytes behind STARTTLS's 220", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 STARTTLS\n"
	    "> STARTTLS\n< 220 go\\r\\n250 evil\nX\nF 451\n" },
	{ "STARTTLS refused, in the clear", SMTP_TLS_MAY, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 STARTTLS\n"
	    "> STARTTLS\n< 454 no\nR\n" },
	{ "STARTTLS refused, and it must be", SMTP_TLS_MUST, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 STARTTLS\n"
	    "> STARTTLS\n< 454 no\nX\nF 454\n" },
	{ "TLS not offered, and it must be", SMTP_TLS_MUST, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nX\nF 451\n" },
	{ "login", SMTP_TLS_IS_UP, true,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 AUTH LOGIN PLAIN\n"
	    "> AUTH PLAIN AHUAcA==\n< 235 welcome\nR\n" },
	{ "login refused", SMTP_TLS_IS_UP, true,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 AUTH PLAIN\n"
	    "> AUTH PLAIN AHUAcA==\n< 535 5.7.8 no\nX\nF 535\n" },
	{ "no login in the clear", SMTP_TLS_MAY, true,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 AUTH PLAIN\nX\n"
	    "F 451\n" },
	{ "too big for it", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 SIZE 4999\nR\n"
	    "M 2\nD\nO 0 552\nO 1 552\nR\n" },
	{ "8-bit, and it takes 7", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1 8bit\nD\nO 0 554\n"
	    "R\n" },
	{ "8-bit", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 8bitmime\nR\n"
	    "M 1 8bit\n> MAIL FROM:<a@one.example> BODY=8BITMIME\n" },
	{ "binary goes by BDAT (RFC 3030)", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250-PIPELINING\n< 250 BINARYMIME\nR\nM 2 binary\n"
	    "> MAIL FROM:<a@one.example> BODY=BINARYMIME\n"
	    "> RCPT TO:<r0@two.example>\n> RCPT TO:<r1@two.example>\nW\n"
	    "< 250 ok\n< 550 no\n< 250 ok\nB\nt block\nb a\\nb\\r.\\r\\n\n"
	    "> BDAT 7\n= a\\nb\\r.\\r\\n\nW\nt block\n< 250 ok\nB\nb .\n"
	    "> BDAT 1\n= .\n< 250 ok\nB\ne\n> BDAT 0 LAST\nt dot\n"
	    "< 250 kept\nD\nO 0 550\nO 1 250\nR\n" },
	{ "CHUNKING is offered: all of it in one chunk, no dots put in",
	    SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250 PIPELINING\nR\nM 2 short\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r0@two.example>\n> RCPT TO:<r1@two.example>\nW\n"
	    "< 250 ok\n< 250 ok\n< 550 no\nB\n> BDAT 7 LAST\nt block\n"
	    "b a\\r\\n.b\\r\\n\n= a\\r\\n.b\\r\\n\ne\nt dot\n"
	    "< 250 kept\nD\nO 0 250\nO 1 550\nR\nM 1 short\n"
	    "> MAIL FROM:<a@one.example>\n" },
	{ "BDAT is refused as content", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250 PIPELINING\nR\nM 1 short\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\n< 250 ok\nB\n"
	    "> BDAT 7 LAST\nb a\\r\\n.b\\r\\n\n= a\\r\\n.b\\r\\n\ne\n"
	    "< 554 5.6.0 no\nD\nO 0 554\nR\nM 1 short\n> RSET\n" },
	{ "the last chunk is refused: the same", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250 BINARYMIME\nR\nM 1 binary\n"
	    "> MAIL FROM:<a@one.example> BODY=BINARYMIME\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\nb x\n> BDAT 1\n= x\n"
	    "< 250 ok\nB\ne\n> BDAT 0 LAST\n< 452 4.3.1 full\nD\nO 0 452\n"
	    "R\nM 1\n> RSET\n" },
	{ "and while it is sent", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 CHUNKING\nR\n"
	    "M 1 short\n> MAIL FROM:<a@one.example>\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\n> BDAT 7 LAST\n"
	    "b a\\r\\n\n= a\\r\\n\n< 552 5.3.4 large\nD\nO 0 552\nX\n" },
	{ "BDAT is not known, although it is offered", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 CHUNKING\nR\n"
	    "M 2 short\n> MAIL FROM:<a@one.example>\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\n"
	    "> RCPT TO:<r1@two.example>\n< 550 no\nB\n> BDAT 7 LAST\n"
	    "b a\\r\\n.b\\r\\n\n= a\\r\\n.b\\r\\n\ne\n"
	    "< 502 5.5.1 what?\nD\nO 0 -\nO 1 550\nX\nF 502\n" },
	{ "nothing of a mail that is longer than its chunk", SMTP_TLS_NEVER,
	    false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 CHUNKING\nR\n"
	    "M 1 short\n> MAIL FROM:<a@one.example>\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\n> BDAT 7 LAST\n"
	    "b 12345678\nD\nO 0 -\nX\nF 451\n" },
	{ "nor of a shorter one", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 CHUNKING\nR\n"
	    "M 1 short\n> MAIL FROM:<a@one.example>\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\n> BDAT 7 LAST\n"
	    "b 12345\\r\n= 12345\\r\ne\nD\nO 0 -\nX\nF 451\n" },
	{ "a chunk is refused: RSET before the next mail", SMTP_TLS_NEVER,
	    false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250 BINARYMIME\nR\nM 1 binary\n"
	    "> MAIL FROM:<a@one.example> BODY=BINARYMIME\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\nb x\n> BDAT 1\n= x\n"
	    "< 452 4.3.1 full\nD\nO 0 452\nR\nM 1\n> RSET\n" },
	{ "nobody for the chunks", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250-PIPELINING\n< 250 BINARYMIME\nR\nM 1 binary\n"
	    "> MAIL FROM:<a@one.example> BODY=BINARYMIME\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\n< 550 no\nD\nO 0 550\n"
	    "R\nM 1\n> RSET\n" },
	{ "354 to a chunk", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-CHUNKING\n"
	    "< 250 BINARYMIME\nR\nM 1 binary\n"
	    "> MAIL FROM:<a@one.example> BODY=BINARYMIME\n< 250 ok\n"
	    "> RCPT TO:<r0@two.example>\n< 250 ok\nB\nb x\n> BDAT 1\n= x\n"
	    "< 354 go\nD\nO 0 -\nX\nF 451\n" },
	{ "binary, and it takes chunks only", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 CHUNKING\nR\n"
	    "M 1 binary\nD\nO 0 554\nR\n" },
	{ "more recipients than it takes (RFC 9422)", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-PIPELINING\n"
	    "< 250 LIMITS RCPTMAX=1\nR\nM 2\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r0@two.example>\n> DATA\n< 250 ok\n< 250 ok\n"
	    "< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 250\nO 1 452\nR\n" },
	{ "what wants TLS all the way is not sent without", SMTP_TLS_NEVER,
	    false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 REQUIRETLS\nR\n"
	    "M 2 tls\nD\nO 0 550\nO 1 550\nR\n" },
	{ "REQUIRETLS loses no bounce (RFC 8689, 5)", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\n"
	    "M 1 tls bounce\n> MAIL FROM:<>\n" },
	{ "who asks for an owner is not relayed to who cannot say (RFC 7293)",
	    SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2 owner\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r1@two.example>\n> DATA\n< 250 ok\n< 250 ok\n"
	    "< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 550\nO 1 250\nR\n" },
	{ "nor what must be there in time", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1 time\nD\n"
	    "O 0 554\nR\n" },
	{ "SMTPUTF8", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-8BITMIME\n"
	    "< 250 SMTPUTF8\nR\nM 1 utf8 8bit\n"
	    "> MAIL FROM:<a@one.example> BODY=8BITMIME SMTPUTF8\n" },
	{ "SMTPUTF8, and it does not know that", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 8BITMIME\nR\n"
	    "M 1 utf8 8bit\nD\nO 0 554\nR\n" },
	{ "SMTPUTF8, but all of it is ASCII", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1 utf8\n"
	    "> MAIL FROM:<a@one.example>\n" },
	{ "DSN is passed on", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250-PIPELINING\n"
	    "< 250 DSN\nR\nM 2 dsn\n"
	    "> MAIL FROM:<a@one.example> RET=HDRS ENVID=e1\n"
	    "> RCPT TO:<r0@two.example> NOTIFY=SUCCESS,DELAY "
	    "ORCPT=rfc822;x+2By@one.example\n"
	    "> RCPT TO:<r1@two.example> NOTIFY=NEVER\n> DATA\n" },
	{ "DSN is not passed on to who does not know it", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2 dsn\n> MAIL FROM:<a@one.example>\n"
	    "> RCPT TO:<r0@two.example>\n> RCPT TO:<r1@two.example>\n"
	    "> DATA\n" },
	{ "a recipient that is no address is not said", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 2 bad\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r1@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\ne\n> .\n< 250 ok\nD\nO 0 553\n"
	    "O 1 250\nR\n" },
	{ "the same, pipelined", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250-mx\n< 250 PIPELINING\nR\n"
	    "M 2 bad\n> MAIL FROM:<a@one.example>\n> RCPT TO:<r1@two.example>\n"
	    "> DATA\n< 250 ok\n< 250 ok\n< 354 go\nB\ne\n> .\n< 250 ok\nD\n"
	    "O 0 553\nO 1 250\nR\n" },
	{ "421 instead of RCPT's reply", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 2\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 550 no\n> RCPT TO:<r1@two.example>\n< 421 4.3.2 bye\nD\nO 0 "
	    "550\n"
	    "O 1 -\nX\nF 421\n" },
	{ "421 out of turn", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\n< 421 idle\nX\n"
	    "F 421\n" },
	{ "a word out of turn", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\n< 250 hello\nX\n"
	    "F 451\n" },
	{ "refused in the middle of the body", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\nb x\\r\\n\n< 552 5.3.4 big\nD\n"
	    "O 0 552\nX\nF 552\n" },
	{ "accepted in the middle of the body", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\nb x\\r\\n\n< 250 fine\nD\nO 0 "
	    "-\nX\n"
	    "F 451\n" },
	{ "lost after the dot: nobody knows", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\ne\n> .\nL\nD\nO 0 -\nX\nF 451\n" },
	{ "lost after QUIT is no failure", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nQ\n> QUIT\nL\nX\n"
	    "F 0\n" },
	{ "a bare LF does not get out", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\nb a\\n.\\n\nD\nO 0 554\nX\nF "
	    "451\n" },
	{ "354 to MAIL", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 354 go\nD\nO 0 -\nX\nF 451\n" },
	{ "250 to DATA", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 250 ok\nD\nO 0 -\nX\nF 451\n" },
	{ "354 for the end", SMTP_TLS_NEVER, false,
	    "< 220 mx\n> EHLO here.example\n< 250 mx\nR\nM 1\n"
	    "> MAIL FROM:<a@one.example>\n< 250 ok\n> RCPT "
	    "TO:<r0@two.example>\n"
	    "< 250 ok\n> DATA\n< 354 go\nB\ne\n> .\n< 354 more\nD\nO 0 -\nX\n"
	    "F 451\n" },
	{ "not SMTP", SMTP_TLS_NEVER, false,
	    "< HTTP/1.1 400 Bad Request\nX\nF 451\n" },
};

static const struct slice rcpts[] = {
	{ (const uint8_t *)"r0@two.example", 14 },
	{ (const uint8_t *)"r1@two.example", 14 },
};
static const struct slice bad_rcpts[] = {
	{ (const uint8_t *)"r0@two.example>\r\nRSET", 21 },
	{ (const uint8_t *)"r1@two.example", 14 },
};

static const char *const time_names[] = { [SMTP_TIME_NONE] = "none",
	[SMTP_TIME_GREETING] = "greeting",
	[SMTP_TIME_COMMAND] = "command",
	[SMTP_TIME_MAIL] = "mail",
	[SMTP_TIME_RCPT] = "rcpt",
	[SMTP_TIME_DATA] = "data",
	[SMTP_TIME_DATA_BLOCK] = "block",
	[SMTP_TIME_DOT] = "dot" };

static const struct {
	char mark;
	enum smtp_client_event event;
} events[] = {
	{ 'R', SMTP_CLIENT_READY },
	{ 'T', SMTP_CLIENT_START_TLS },
	{ 'B', SMTP_CLIENT_BODY },
	{ 'D', SMTP_CLIENT_MAIL_DONE },
	{ 'X', SMTP_CLIENT_CLOSED },
	{ 'W', SMTP_CLIENT_WAIT },
};

/* \r and \n only */
static struct slice
unescape(const char *text, char at[256])
{
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\\') {
			text++;
			at[n++] = *text == 'r' ? '\r' : '\n';
		} else {
			at[n++] = *text;
		}
	}
	return slice_of(at, n);
}

static void
server_says(struct smtp_client *c, const char *text, size_t chunk)
{
	char at[256];
	struct slice bytes = unescape(text, at), part;

	memcpy(at + bytes.len, "\r\n", 2);
	bytes.len += 2;
	while (bytes.len > 0) {
		part = test_exact_copy(slice_upto(bytes, chunk));
		smtp_client_feed(c, part);
		bytes = slice_from(bytes, part.len);
		test_free_copy(part);
	}
}

static void
client_said(struct smtp_client *c, const char *want)
{
	struct slice out = smtp_client_out(c), line = { 0 };

	test_true(slice_take_crlf_line(&out, &line));
	test_slice(line, slice_cstr(want));
	smtp_client_sent(c, line.len + 2);
}

static void
client_sent(struct smtp_client *c, struct slice want)
{
	test_slice(slice_upto(smtp_client_out(c), want.len), want);
	smtp_client_sent(c, want.len);
}

static void
begin_mail(struct smtp_client *c, const char *words)
{
	static const struct smtp_rcpt_wish dsn[] = {
		{ .notify = 2 | 8, .orcpt = SLICE("rfc822;x+2By@one.example") },
		{ .notify = 1 },
	};
	static const struct smtp_rcpt_wish owner[] = { { .rrvs = 1 }, { 0 } };
	struct smtp_client_mail mail = { .sender = SLICE("a@one.example"),
		.rcpts = strstr(words, "bad") == NULL ? rcpts : bad_rcpts,
		.n_rcpts = (size_t)(words[0] - '0'),
		.size = strstr(words, "short") != NULL ? 7 : 5000,
		.is_8bit = strstr(words, "8bit") != NULL,
		.is_binary = strstr(words, "binary") != NULL,
		.is_smtputf8 = strstr(words, "utf8") != NULL,
		.requires_tls = strstr(words, "tls") != NULL,
		.by_mode = strstr(words, "time") != NULL ? SMTP_BY_RETURN : 0,
		.by_seconds = 100 };

	if (strstr(words, "bounce") != NULL)
		mail.sender = SLICE("");
	if (strstr(words, "owner") != NULL)
		mail.wishes = owner;
	if (strstr(words, "dsn") != NULL) {
		mail.wishes = dsn;
		mail.ret = 2;
		mail.envid = SLICE("e1");
	}

	smtp_client_mail(c, &mail);
}

static void
has_outcome(const struct smtp_client *c, const char *words)
{
	const struct smtp_client_outcome *o = &c->outcomes[words[0] - '0'];

	test_int(o->is_done, words[2] != '-');
	if (o->is_done)
		test_int(o->verdict.code, atoi(words + 2));
}

static void
run_step(struct smtp_client *c, char mark, const char *arg, size_t chunk)
{
	char at[256];

	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i].mark == mark)
			test_int(smtp_client_next(c), events[i].event);
	if (mark == 'T')
		smtp_client_tls_up(c);
	else if (mark == '<')
		server_says(c, arg, chunk);
	else if (mark == '>')
		client_said(c, arg);
	else if (mark == '=')
		client_sent(c, unescape(arg, at));
	else if (mark == 'M')
		begin_mail(c, arg);
	else if (mark == 'b')
		test_int(smtp_client_body(c, unescape(arg, at)),
		    unescape(arg, at).len);
	else if (mark == 'e')
		smtp_client_end(c);
	else if (mark == 'Q')
		smtp_client_quit(c);
	else if (mark == 'L')
		smtp_client_lost(c, "connection lost");
	else if (mark == 'O')
		has_outcome(c, arg);
	else if (mark == 'F')
		test_int(c->failure.code, atoi(arg));
	else if (mark == 't')
		test_slice(slice_cstr(time_names[smtp_client_timeout(c)]),
		    slice_cstr(arg));
}

static void
run_script(const char *script, enum smtp_client_tls tls, bool has_login,
    size_t chunk)
{
	struct smtp_client_config config = { .helo = "here.example",
		.tls = tls,
		.user = has_login ? "u" : NULL,
		.password = "p" };
	struct smtp_client *c = malloc(sizeof(*c));
	struct slice rest = slice_cstr(script), line;
	char text[256];

	assert_non_null(c);
	smtp_client_init(c, &config);
	while (slice_take_until(&rest, '\n', &line)) {
		test_true(slice_to_cstr(line, text, sizeof(text)));
		run_step(c, text[0], text[1] == ' ' ? text + 2 : text + 1,
		    chunk);
	}
	test_int(rest.len, 0);
	test_true(slice_find(smtp_client_dialogue(c), SLICE("AHUAcA")) ==
	    SIZE_MAX);
	smtp_client_deinit(c);
	free(c);
}

static void
converses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		test_case(scripts[i].what);
		run_script(scripts[i].script, scripts[i].tls,
		    scripts[i].has_login, SIZE_MAX);
		if (strstr(scripts[i].script, "220 go\\r\\n") == NULL)
			run_script(scripts[i].script, scripts[i].tls,
			    scripts[i].has_login, 1);
	}
}

static void
keeps_the_dialogue(void **state)
{
	static struct smtp_client c;
	struct smtp_client_config config = { .helo = "here.example" };

	(void)state;
	smtp_client_init(&c, &config);
	smtp_client_feed(&c, SLICE("220 mx\r\n"));
	smtp_client_sent(&c, smtp_client_out(&c).len);
	smtp_client_feed(&c, SLICE("250-a\r\n250 SIZE\r\n"));
	test_slice(smtp_client_dialogue(&c),
	    SLICE("< 220 mx\n> EHLO here.example\n< 250-a\n< 250 SIZE\n"));
	for (int i = 0; i < 10; i++) {
		smtp_client_lost(&c, "gone");
		smtp_client_feed(&c, SLICE("250 more\r\n"));
	}
	test_int(smtp_client_next(&c), SMTP_CLIENT_CLOSED);
	test_slice(c.failure.text, SLICE("gone"));
	test_true(c.failure_is_local);
	smtp_client_deinit(&c);
}

/* Lines of `n` octets, the last one closed. */
static void
says_much(struct smtp_client *c, const char *code, int lines, int n)
{
	char line[1200];

	for (int i = lines; i > 0; i--) {
		(void)snprintf(line, sizeof(line), "%s%c%0*d\r\n", code,
		    i > 1 ? '-' : ' ', n, i);
		smtp_client_feed(c, slice_cstr(line));
	}
}

/* LIMIT_DIALOGUE: what is above it is cut, once, and the mail goes on. */
static void
bounds_the_dialogue(void **state)
{
	static struct smtp_client c;
	struct smtp_client_config config = { .helo = "here.example" };
	struct smtp_client_mail mail = { .rcpts = rcpts, .n_rcpts = 2 };
	struct slice said;

	(void)state;
	test_case("long replies");
	smtp_client_init(&c, &config);
	says_much(&c, "220", 7, 1000);
	test_true(smtp_client_dialogue(&c).len > 7000);
	smtp_client_sent(&c, smtp_client_out(&c).len);
	says_much(&c, "250", 7, 1000);
	test_int(smtp_client_next(&c), SMTP_CLIENT_READY);
	test_true(smtp_client_dialogue(&c).len > 14000);
	test_true(!slice_ends(smtp_client_dialogue(&c), SLICE("...\n")));
	smtp_client_mail(&c, &mail);
	for (int i = 0; i < 3; i++) /* MAIL, RCPT, RCPT */
		says_much(&c, "250", 7, 1000);
	smtp_client_feed(&c, SLICE("354 go\r\n"));
	test_int(smtp_client_next(&c), SMTP_CLIENT_BODY);
	smtp_client_end(&c);
	smtp_client_sent(&c, smtp_client_out(&c).len);
	smtp_client_feed(&c, SLICE("250 kept\r\n"));
	test_int(smtp_client_next(&c), SMTP_CLIENT_MAIL_DONE);
	test_int(c.outcomes[1].verdict.code, 250);
	said = smtp_client_dialogue(&c);
	test_true(said.len <= LIMIT_DIALOGUE);
	test_true(said.len > LIMIT_DIALOGUE - 1100);
	test_true(slice_starts(said, SLICE("< 220-0000")));
	test_true(slice_ends(said, SLICE("\n...\n")));
	test_int(slice_find(said, SLICE("...")), said.len - 4);
	test_true(slice_find(said, SLICE("kept")) == SIZE_MAX);
	smtp_client_deinit(&c);
}

/* A reply to what has not left us is none: the 250 is not believed. */
static void
a_reply_comes_behind_its_command(void **state)
{
	static struct smtp_client c;
	struct smtp_client_config config = { .helo = "h.example" };
	struct smtp_client_mail mail = { .rcpts = rcpts, .n_rcpts = 1 };
	static const char *const said[] = { "220 mx\r\n", "250 mx\r\n",
		"250 x\r\n", "250 x\r\n", "354 x\r\n" };

	(void)state;
	for (int early = 0; early < 2; early++) {
		smtp_client_init(&c, &config);
		for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++) {
			smtp_client_feed(&c, slice_cstr(said[i]));
			if (i == 1)
				smtp_client_mail(&c, &mail);
			smtp_client_sent(&c, smtp_client_out(&c).len);
		}
		test_int(smtp_client_next(&c), SMTP_CLIENT_BODY);
		test_int(smtp_client_body(&c, SLICE("a\r\n")), 3);
		smtp_client_end(&c);
		smtp_client_sent(&c, smtp_client_out(&c).len - 1);
		if (early == 0)
			smtp_client_sent(&c, 1);
		smtp_client_feed(&c, SLICE("250 2.0.0 kept\r\n"));
		test_int(smtp_client_next(&c), SMTP_CLIENT_MAIL_DONE);
		test_int(c.outcomes[0].is_done, early == 0);
		test_int(c.is_closing, early == 1);
		smtp_client_deinit(&c);
	}
	test_case("EHLO");
	smtp_client_init(&c, &config);
	smtp_client_feed(&c, SLICE("220 mx\r\n250 mx\r\n"));
	test_int(smtp_client_next(&c), SMTP_CLIENT_CLOSED);
	smtp_client_deinit(&c);
}

/* No CR or LF stands alone in a chunk either, wherever the body is cut. */
static void
chunks_have_whole_line_ends(void **state)
{
	static const struct {
		const char *body;
		bool is_good;
	} bodies[] = {
		{ "a\r\nb\r\n", true },
		{ "\r\n\r\n", true },
		{ "no end", true },
		{ "a\nb\r\n", false },
		{ "\nb\r\n", false },
		{ "a\rb\r\n", false },
		{ "a\r\r\n", false },
		{ "a\r\n\n", false },
		{ "a\r\nb\r", false },
		{ "\r", false },
	};
	struct smtp_client_config config = { .helo = "h.example" };
	static struct smtp_client c;

	(void)state;
	for (size_t i = 0; i < 2 * 10 * 8; i++) {
		struct slice body = slice_cstr(bodies[i % 10].body), rest;
		struct smtp_client_mail mail = {
			.rcpts = rcpts, .n_rcpts = 1, .size = body.len
		};
		static const char *const said[] = { "220 mx\r\n",
			"250-mx\r\n250 CHUNKING\r\n", "250 x\r\n",
			"250 x\r\n" };

		test_case(bodies[i % 10].body);
		smtp_client_init(&c, &config);
		for (size_t k = 0; k < sizeof(said) / sizeof(said[0]); k++) {
			smtp_client_feed(&c, slice_cstr(said[k]));
			if (k == 1)
				smtp_client_mail(&c, &mail);
			smtp_client_sent(&c, smtp_client_out(&c).len);
		}
		rest = slice_from(body, i / 20 % 8);
		(void)smtp_client_body(&c,
		    slice_upto(body, body.len - rest.len));
		if (c.phase == SMTP_PHASE_BODY)
			(void)smtp_client_body(&c, rest);
		if (c.phase == SMTP_PHASE_BODY)
			smtp_client_end(&c);
		test_int(c.phase,
		    bodies[i % 10].is_good ? SMTP_PHASE_DOT
					   : SMTP_PHASE_MAIL_DONE);
		if (!bodies[i % 10].is_good)
			test_int(c.outcomes[0].verdict.code, 554);
		smtp_client_deinit(&c);
	}
}

/* A long body through an output that is drained in small pieces. */
static void
pulls_the_body(void **state)
{
	static struct smtp_client c;
	static uint8_t body[300000];
	struct smtp_client_config config = { .helo = "h.example" };
	struct smtp_client_mail mail = { .rcpts = rcpts, .n_rcpts = 1 };
	size_t at = 0, n_out = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(body); i += 3)
		memcpy(body + i, ".\r\n", 3);
	smtp_client_init(&c, &config);
	smtp_client_feed(&c, SLICE("220 mx\r\n"));
	smtp_client_sent(&c, smtp_client_out(&c).len);
	smtp_client_feed(&c, SLICE("250 mx\r\n"));
	smtp_client_mail(&c, &mail);
	smtp_client_feed(&c, SLICE("250 x\r\n"));
	smtp_client_feed(&c, SLICE("250 x\r\n"));
	smtp_client_feed(&c, SLICE("354 x\r\n"));
	smtp_client_sent(&c, smtp_client_out(&c).len);
	test_int(smtp_client_next(&c), SMTP_CLIENT_BODY);
	while (at < sizeof(body)) {
		size_t n = smtp_client_body(&c,
		    slice_of(body + at, sizeof(body) - at));

		at += n;
		test_true(smtp_client_out(&c).len <= SMTP_CLIENT_OUT);
		n_out += smtp_client_out(&c).len;
		smtp_client_sent(&c, smtp_client_out(&c).len);
	}
	smtp_client_end(&c);
	n_out += smtp_client_out(&c).len;
	test_int(n_out, sizeof(body) / 3 * 4 + 3);
	smtp_client_deinit(&c);
}

/* RFC 2033: LHLO, and behind the dot a reply for each accepted recipient. */
static void
lmtp_answers_for_each(void **state)
{
	static const struct slice three[] = {
		{ (const uint8_t *)"a@two.example", 13 },
		{ (const uint8_t *)"b@two.example", 13 },
		{ (const uint8_t *)"c@two.example", 13 },
	};
	struct smtp_client_config config = {
		.helo = "here.example", .tls = SMTP_TLS_NEVER, .is_lmtp = true
	};
	struct smtp_rcpt_wish wishes[3] = { 0 };
	struct smtp_client_mail mail = { .sender = SLICE("a@one.example"),
		.rcpts = three,
		.n_rcpts = 3,
		.size = 3,
		.wishes = wishes };
	static struct smtp_client c;

	(void)state;
	smtp_client_init(&c, &config);
	server_says(&c, "220 boxes", SIZE_MAX);
	client_said(&c, "LHLO here.example");
	server_says(&c, "250 boxes", SIZE_MAX);
	test_int(smtp_client_next(&c), SMTP_CLIENT_READY);
	smtp_client_mail(&c, &mail);
	client_said(&c, "MAIL FROM:<a@one.example>");
	server_says(&c, "250 ok", SIZE_MAX);
	client_said(&c, "RCPT TO:<a@two.example>");
	server_says(&c, "250 ok", SIZE_MAX);
	client_said(&c, "RCPT TO:<b@two.example>");
	server_says(&c, "550 5.1.1 no", SIZE_MAX);
	client_said(&c, "RCPT TO:<c@two.example>");
	server_says(&c, "250 ok", SIZE_MAX);
	client_said(&c, "DATA");
	server_says(&c, "354 go", SIZE_MAX);
	test_int(smtp_client_next(&c), SMTP_CLIENT_BODY);
	smtp_client_end(&c);
	client_said(&c, ".");
	server_says(&c, "250 2.1.5 in", SIZE_MAX);
	test_int(smtp_client_next(&c), SMTP_CLIENT_WAIT);
	test_true(c.outcomes[0].is_done && !c.outcomes[2].is_done);
	server_says(&c, "452 4.2.2 full", SIZE_MAX);
	test_int(smtp_client_next(&c), SMTP_CLIENT_MAIL_DONE);
	test_int(c.outcomes[0].verdict.code, 250);
	test_int(c.outcomes[1].verdict.code, 550);
	test_int(c.outcomes[2].verdict.code, 452);
	test_int(smtp_client_next(&c), SMTP_CLIENT_READY);
	smtp_client_deinit(&c);
}

TEST_MAIN(cmocka_unit_test(lmtp_answers_for_each), cmocka_unit_test(converses),
    cmocka_unit_test(keeps_the_dialogue), cmocka_unit_test(bounds_the_dialogue),
    cmocka_unit_test(pulls_the_body),
    cmocka_unit_test(chunks_have_whole_line_ends),
    cmocka_unit_test(a_reply_comes_behind_its_command))
