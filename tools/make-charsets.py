#!/usr/bin/python3
# SPDX-License-Identifier: ISC
# Writes charset.h in the current folder (src/mail): the single-byte charsets.
names=[("iso-8859-%d"%i,"iso8859_%d"%i,["iso8859-%d"%i]) for i in (1,2,3,4,5,6,7,8,9,10,13,14,15,16)]
names+=[("windows-%d"%i,"cp%d"%i,["cp%d"%i]) for i in range(1250,1259)]
names+=[("koi8-r","koi8_r",[]),("koi8-u","koi8_u",[]),("ibm866","cp866",["cp866"]),("macintosh","mac_roman",[])]
more={"iso-8859-1":["latin1"],"iso-8859-2":["latin2"],"iso-8859-15":["latin-9"],"windows-874":[]}
o='''/* SPDX-License-Identifier: ISC */
/*
 * mail/charset - what the octets 128 to 255 mean in single-byte charsets
 *
 * Made by tools/make-charsets.py from Python's codecs; do not edit. 0: no
 * character.
 */
#ifndef MAIL_CHARSET_H
#define MAIL_CHARSET_H

#include <stdint.h>

#include "base/slice.h"

static const struct charset {
	struct slice name;
	struct slice alias; /* empty: none */
	uint16_t high[128];
} charsets[] = {
'''
for n,c,al in names:
    al=(more.get(n) or al or [""])[0]
    o+='\t{ SLICE("%s"), SLICE("%s"),\n\t    {'%(n,al)
    for i in range(128,256):
        try: v=ord(bytes([i]).decode(c))
        except UnicodeDecodeError: v=0
        if (i-128)%8==0: o+='\n\t\t'
        else: o+=' '
        o+='0x%04x,'%v
    o+='\n\t    } },\n'
o+='};\n\n#endif\n'
open('charset.h','w').write(o)
