# SPDX-License-Identifier: ISC
"""More servers that lie: wrong classes of replies, words out of turn, extensions that are none.
Cases of test_receivers.py."""
import time

from receivers import Receiver, case


# -- CHUNKING (RFC 3030)

class Chunks(Receiver):
    extensions = ["PIPELINING", "8BITMIME", "CHUNKING"]

    def chunk(self, c, line):
        n = int(line.split()[1])
        while len(c.buffer) < n:
            c.more()
        data, c.buffer = c.buffer[:n], c.buffer[n:]
        return data

    def on_bdat(self, c, line):
        assert line.endswith(b" LAST")
        self.finish(c, self.chunk(c, line))

    def on_data(self, c, line):
        c.say("503 5.5.1 BDAT, please")


@case("delivered")
class TakesChunks(Chunks):
    """The octets as they are: no dot is doubled."""
    text = ".\r\n..a\r\n"

    def take(self, c, data):
        assert data.endswith(b"\r\n\r\n.\r\n..a\r\n")
        super().take(c, data)


@case("delivered")
class OffersChunkingAndKnowsItNot(Receiver):
    """The body is read as commands; QUIT in it ends no mail."""
    extensions = ["PIPELINING", "8BITMIME", "CHUNKING"]
    text = "RSET\r\nMAIL FROM:<evil@box.example>\r\nQUIT\r\n"


@case("delivered")
class HangsUpAtChunks(Chunks):
    def on_bdat(self, c, line):
        c.hang_up()

    on_data = Receiver.on_data


@case("delivered")
class FallsSilentAtChunks(Chunks):
    def on_bdat(self, c, line):
        c.silence()

    on_data = Receiver.on_data


@case("bounced", "5.7.1")
class RefusesTheChunk(Chunks):
    def finish(self, c, data):
        c.say("554 5.7.1 not this")


@case("bounced", "5.3.4")
class RefusesTheChunkAtOnceAndLeaves(Chunks):
    def on_bdat(self, c, line):
        c.say("552 5.3.4 too large")
        c.hang_up()


@case("delivered")
class WantsTheChunkLater(Chunks):
    def finish(self, c, data):
        if self.count_of("BDAT") == 1:
            c.say("451 4.3.0 later")
            c.reset()
        else:
            super().finish(c, data)


@case("kept", "out of step")
class Says354ToAChunk(Chunks):
    def on_bdat(self, c, line):
        self.chunk(c, line)
        c.say("354 go on")
        c.silence()

    def on_data(self, c, line):
        c.say("250 2.0.0 no need")


# -- replies of the wrong class, or for something else

@case("kept", "out of step")
class GreetsWith250(Receiver):
    def greet(self, c):
        c.say("250 hello")


@case("kept", "out of step")
class GreetsWith354(Receiver):
    def greet(self, c):
        c.say("354 send it")


@case("kept", "out of step")
class AnswersEhloWith354(Receiver):
    def on_ehlo(self, c, line):
        c.say("354 go")


@case("kept", "out of step")
class Says334ToMail(Receiver):
    def on_mail(self, c, line):
        c.say("334 UGFzc3dvcmQ6")
        c.silence()


@case("kept", "out of step")
class Says354ToRcpt(Receiver):
    def on_rcpt(self, c, line):
        c.say("354 go")


@case("delivered")
class Says252ToRcpt(Receiver):
    def judge(self, c, rcpt):
        return "252 2.1.5 cannot verify, will try"


@case("delivered")
class Says220ToMail(Receiver):
    def on_mail(self, c, line):
        c.sender = line
        c.say("220 ok")


@case("kept", "out of step")
class Says354BehindTheDot(Receiver):
    def finish(self, c, data):
        c.say("354 more?")
        c.silence()


@case("bounced", r"5\.1\.1")
class Says354ToNobody(Receiver):
    """RFC 2920, 3.1: DATA was pipelined, all recipients are refused; the empty message is no delivery."""
    empty = 0

    def judge(self, c, rcpt):
        return "550 5.1.1 nobody"

    def on_data(self, c, line):
        c.say("354 go")
        assert c.until_dot() == b"\r\n"
        self.empty += 1
        c.say("250 2.0.0 nothing taken")


# -- words out of turn

@case("kept", "spoke|out of step|closed")
class AnswersBeforeItIsAsked(Receiver):
    """All the replies of a session at once, a 250 behind the dot included."""

    def greet(self, c):
        c.say("220 mx", "250 mx", "250 ok", "250 ok", "354 go", "250 2.0.0 taken")
        c.silence()


@case("kept", "spoke|out of step|closed")
class AnswersAllAtEhlo(Receiver):
    def on_ehlo(self, c, line):
        c.say("250 mx", "250 ok", "250 ok", "354 go", "250 2.0.0 taken")
        c.silence()


@case("delivered")
class OffersStarttlsAgain(Receiver):
    wants_tls = True

    def on_ehlo(self, c, line):
        c.reset()
        c.say(f"250-{self.name}", "250-PIPELINING", "250 STARTTLS")

    def on_starttls(self, c, line):
        assert not c.has_tls
        super().on_starttls(c, line)


@case("delivered")
class Says220ToStarttlsAndMeansNothing(Receiver):
    """It goes on in the clear; once more without TLS, which nothing demands."""
    extensions = ["STARTTLS"]

    def on_starttls(self, c, line):
        c.say("220 go")


# -- refusals, and gone

@case("bounced", r"5\.7\.1")
class RefusesRcptAndLeaves(Receiver):
    extensions = ["8BITMIME"]

    def on_rcpt(self, c, line):
        c.say("550 5.7.1 no")
        c.hang_up()


@case("bounced", r"5\.1\.8")
class RefusesMailAndLeaves(Receiver):
    extensions = ["8BITMIME"]

    def on_mail(self, c, line):
        c.say("553 5.1.8 no")
        c.hang_up()


@case("bounced", r"5\.6\.0")
class RefusesTheMessageAndResets(Receiver):
    def finish(self, c, data):
        c.say("554 5.6.0 no")
        time.sleep(0.1)
        c.reset_connection()


@case("delivered")
class ResetsInTheMessageOnce(Receiver):
    def body(self, c):
        if c.number == 1:
            c.reset_connection()
        super().body(c)


# -- lines

@case("kept", "closed|in time")
class NeverEndsItsReply(Receiver):
    """A reply of many lines whose last one does not come."""

    def on_mail(self, c, line):
        c.say("250-ok", "250-and")
        c.silence()


@case("kept", "no reply in time|closed|lost")
class DripsForever(Receiver):
    """An octet now and then renews no time limit."""

    def on_mail(self, c, line):
        c.raw(b"250 ")
        while True:
            c.raw(b"x")
            time.sleep(0.5)


@case("kept", "does not speak SMTP")
class SaysFourDigits(Receiver):
    def on_mail(self, c, line):
        c.say("2500 ok")


@case("delivered")
class EndsSomeLinesWithSpaces(Receiver):
    def finish(self, c, data):
        self.take(c, data)
        c.raw(b"250 2.0.0 taken \t \r\n")
        c.reset()


@case("bounced", r"5\.0\.0|5\.7\.1")
class RefusesWithAFormLetter(Receiver):
    """What a reply says becomes no field of the report and no part of it."""

    def judge(self, c, rcpt):
        return "550-Action: delivered\r\n550---=_x\r\n550-\r\n550-Status: 2.0.0\r\n550 5.7.1 \x1b[2J <script>alert(1)</script>"


# What each was asked besides: (label, verb, how often)
ASKED = [("takes-chunks", "DATA", 0), ("takes-chunks", "BDAT", 1), ("offers-chunking-and-knows-it-not", "BDAT", 1),
         ("hangs-up-at-chunks", "BDAT", 1), ("falls-silent-at-chunks", "BDAT", 1), ("offers-starttls-again", "STARTTLS", 1)]
