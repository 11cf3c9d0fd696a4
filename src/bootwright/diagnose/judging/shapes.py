"""Lines with the form of an error, whatever their words: in no list of known messages.

The words are those in which C programs of every kind say that something went wrong; the numbers are those of
errno (`-110`, `ret=-22`, `error 5`). A stage's own exceptions are data (`[[end]]` of kind `benign`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from bootwright.diagnose.reading.levels import CRITICAL, INFORMATION, firmware_level_of
from bootwright.diagnose.reading.patterns import holds
from bootwright.formats.kernel.errnos import ERRNOS

_REMEMBERED: Final = 1 << 14
"""Messages of which it is remembered what they look like: loops and copies say the same again."""
_WORDS: Final = (
    rb"(?i)(?:\b(?:errors?|err|fail|fails|failed|failure|failing|fatal|panic|exception|abort(?:ed|ing)?|assert(?:ion)?"
    rb"|corrupt(?:ed|ion)?|overflow(?:ed)?|invalid|illegal|mismatch|overlaps?|overwritten|truncated|wrong|bad"
    rb"|timeout|timed out|time-out|refused|denied|rejected|unsupported|unrecogni[sz]ed|undefined"
    rb"|unbootable|missing|unable|impossible|halt(?:ed|ing)?|hang(?:ing)?|dead"
    rb"|faults?|faulty|lock-?ups?|stuck|stalled|crash(?:ed|es)|malfunction(?:ing)?|inoperable|non-operational"
    rb"|unresponsive)\b"
    rb"|\b(?:can(?:no|'|[ ]no)t|could ?n[o']t|could not|couldn't|did not|didn't|does not|doesn't) "
    rb"|\bnot (?:be )?(?:found|supported|valid|available|present|ready|responding|detected|bootable"
    rb"|defined|set|permitted|enough|a valid|recogni[sz]ed|loaded|started|an? )"
    rb"|\bno (?:such|valid|bootable|usable|suitable|link|response|reply|answer|carrier|space|memory|room|ack"
    rb"|acknowledge|more |(?:boot )?(?:device|medium|media|disk|card|image|kernel|partition)s?\b)"
    rb"|\bunknown (?:device|board|chip|image|format|file ?system|keyword|option|directive)\b"
    rb"|\b(?:giving|gave|give) up\b|\bout of (?:memory|space|range|sync)\b"
    rb"|\bdisagrees about\b|\bversion magic .{3,80} should be\b"
    rb"|\bplease (?:reset|restart|insert|reboot)\b|\bnothing to boot\b)"
)
_HAS_WORDS: Final = holds(_WORDS)
_FIRST_SIGNS: Final = re.compile(rb"\s*(?:!!!|\*\* |ERR|E/|E:|FATAL|ASSERT|PANIC|Oops|BUG|### ERROR)")
_HOLDS_AN_ERRNO: Final = (
    rb"(?:(?:\b|_)(?:[re]c|i?ret|rv|res|r|err)|\w*(?:errno|error|retval|ret_val|retcode|code|result|status)"
    rb"|\breturn(?:s|ed)?|\bfailed|[)\]])"
)
"""What stands before `= -22`; an interrupt, an offset or the strength of a signal is negative too."""
_ERRNO_NAMES: Final = "|".join(name for name, _ in ERRNOS.values()).encode()
_SIGNS: Final = holds(
    rb"\b(?:BUG|ASSERTION) (?:at|in|on) "
    rb"|(?:" + _HOLDS_AN_ERRNO + rb"\s*=|:|\(|\berror |\berr |\bret |\bcode )\s*-(?:[1-9]\d{0,2})\b"
    rb"|\b[A-Z][a-z]\w{1,30}(?:Error|Exception): "
    rb"|\B-E[A-Z]{3,12}\b|\b(?:"
    + _ERRNO_NAMES
    + rb")\)|\b[Ee]xit(?:ed with)? (?:status|code|exit):? [1-9]\d{0,2}\b|\bexited with [1-9]\d{0,2}\b"
)
_LABELLED: Final = re.compile(
    rb"\s*(?:[*#]{2,3} )?(?:[\w ()-]{0,24}\b)?(?:ERROR|FATAL|ERR|[Ee]rror|[Ff]atal|PANIC)\b\s*(?:[:!]|\Z)"
    rb"|\s*(?:### ERROR|ASSERT|E/(?!T[CA]:))"
)
_DENIALS: Final = (
    rb"\b(?:no|0|without|zero|ignore[sd]?|ignoring|any|correct(?:s|ed|able|ing)?|if|when|on"
    rb"|in case of)\s+(?:\w+\s+)?(?:errors?|failures?|faults?)\b"
    rb"|\berrors?[=_-](?:remount|continue|panic)|\berrors?\s*[:=]\s*0\b"
    rb"|\berror[ -](?:handl|detect(?:ion|or|ing)\b|correct|report|recover|log)"
    rb"|\b(?:fail-?safe|fail-?over|bad ?block|bad ?page"
    rb"|timeout\s*[:=]?\s*(?:0x\w+|\d+ ?(?:[mu]?s\w*|min\w*|h)?\b)"
    rb"|timeout (?:of|in \d+)"
    rb"|\d+ ?m?s timeout)\b"
    rb"|\bwatchdog.{0,40}timeout|\bautoboot|\bto (?:abort|stop|interrupt|cancel)\b|; looks like\b"
    rb"|\btrying\b|\*\* booting\b|\bretry(?:ing)?\b|\bskip(?:ped|ping)?\b"
    rb"|\bfall(?:ing)? ?back|\b(?:using|use|assum(?:ing|e)|set(?:ting)? to) (?:the )?"
    rb"(?:default|dummy|built|fixed|random|generated)"
    rb"|\bdefaults? to\b|\bcontinu(?:e|ing)\b|\boptional\b|\bignor(?:ed?|ing)\b|\bdisabl(?:ed|ing)\b"
    rb"|\. waiting\.\.\.|\busing (?:a )?temporary\b|\binactive \(dead\)"
    rb"|\bdmesg\(1\) may have more\b"
    rb"|\breconfiguring\b|\blink is not ready\b|\bhibernat(?:e|ion)\b|\bresume device\b"
    rb"|\brecovered\b|\bpanic=-?\d|\w=panic\b|\border: -\d"
    rb"|\bseverity=correct(?:ed|able)\b|\berror status/mask="
)
_DENIED: Final = holds(rb"(?i)(?:" + _DENIALS + rb"|\bwarn(?:ing)?\b)")
_DENIED_BESIDES: Final = holds(rb"(?i)(?:" + _DENIALS + rb")")
_OF_FIRMWARE: Final = holds(
    rb"(?i)\b(?:unexpected|unhandled|unimplemented|insufficient|incorrect|inconsistent|incompatible"
    rb"|improper(?:ly)?|abnormal|(?:mis-?|un)aligned|exceeds?|exceeded|overruns?|prohibited|forbidden|unreachable|unsuccess?ful"
    rb"|fails? to|unknown (?:\w+ )?(?:source|type|mode|index|bus|number|device)"
    rb"|not (?:implemented|programmed|listed|continuous|locked|(?:\w+ )?aligned|in use|multiple|64.?bit"
    rb"|correct|initiali[sz]ed|exist(?:ed|ing)?|as expected)|\bvs\.? expected"
    rb"|(?:no longer|only \S.{0,30}) supported|out.of.(?:bounds|resources?)|over the limit"
    rb"|(?:larger|bigger|smaller|greater|longer|older|newer) than|should (?:not|never|have no)"
    rb"|(?:is|was|with|returned|returns) (?:an? )?(?:NULL|zero|empty)|(?:returned|returns) -\d{1,3}"
    rb"|called (?:with|without|in \w+ mode)|do not support|reject(?:ed|ing)|not granted|returned false"
    rb"|security violation|no media|time out|never \w{2,16}ed"
    rb"|too (?:large|small|big|many|high|low|long|short|old))\b"
)
"""What firmware says of what it stops at, and a system of much that it goes on with."""
_INFORMATION: Final = re.compile(
    rb"(?:\A|: |\s)(?:[DI]\d{4} \d\d:\d\d:\d\d\.|level=(?:info|debug|trace)\b|DEBUG: |info: )"
    rb"|\"level\": ?\"(?:info|debug)\""
)
"""The level in a program's own line: klog's, logrus's, zap's."""
_COMMENT: Final = re.compile(rb"#(?: [a-z]|\s*\Z)")
"""A line of a file that is shown, or what somebody typed at a shell's prompt: nobody complains in it."""
_QUOTED: Final = re.compile(
    rb"\bIN=\S{0,15} OUT=\S{0,15} (?:PHYSIN=|MAC=|SRC=|ARP )|: \([\w.-]{1,32}\) CMD \("
)
"""A packet that a rule of the firewall logs in its own words (net/netfilter/nf_log_syslog.c, Linux 6.12), and
a command that cron says it starts."""
_NUMBERS: Final = re.compile(rb"0[xX][0-9a-fA-F]+|\b[0-9a-fA-F]{6,}\b|\d+")
_LETTERS: Final = re.compile(rb"[A-Za-z]{3}")


@lru_cache(maxsize=_REMEMBERED)
def looks_wrong(text: bytes) -> bool:
    """Whether a message (without its stamps) has the form of an error that its speaker does not take back."""
    text = text[:512]
    level = firmware_level_of(text)
    if level is not None and (level <= CRITICAL or level >= INFORMATION):
        return level <= CRITICAL
    if _INFORMATION.search(text) is not None:
        return False
    if not (_HAS_WORDS(text) or _FIRST_SIGNS.match(text) is not None or _SIGNS(text)):
        return False
    quoted = _COMMENT.match(text) is not None or _QUOTED.search(text) is not None
    return not quoted and not is_taken_back(text)


def is_taken_back(text: bytes) -> bool:
    """Whether the speaker denies an error, only names the possibility, or says how it goes on."""
    return _DENIED(text)


def warns_of_error(text: bytes) -> bool:
    """Whether a message has the form of an error, and nothing takes it back but that it is a warning."""
    return _HAS_WORDS(text) and _DENIED(text) and not _DENIED_BESIDES(text)


def firmware_complains(text: bytes) -> bool:
    """Whether a message has the form of an error where firmware or a boot loader says it."""
    return looks_wrong(text) or (_OF_FIRMWARE(text[:512]) and not is_taken_back(text[:512]))


def speaks_of_error(text: bytes) -> bool:
    """Whether it looks wrong, or its speaker calls it an error, even if it also says how to go on."""
    return looks_wrong(text) or is_labelled(text)


def is_labelled(text: bytes) -> bool:
    """Whether its speaker calls it an error."""
    return _LABELLED.match(text) is not None or is_levelled(text)


def is_levelled(text: bytes) -> bool:
    """Whether a firmware's log function puts its gravest levels before it: in any words an error."""
    level = firmware_level_of(text)
    return level is not None and level <= CRITICAL


@lru_cache(maxsize=_REMEMBERED)
def shape_of(text: bytes) -> bytes:
    """The message without its numbers: alike where lines say the same; empty without words."""
    shape = _NUMBERS.sub(b"0", text[:512].strip())
    return shape if _LETTERS.search(shape) else b""


def named_shape_of(text: bytes) -> bytes:
    """The message without its amounts: `32.png` and `mmc1` are names, and stay."""
    return _AMOUNTS.sub(b"0", text[:512].strip())


WAITS: Final = re.compile(rb"-517\b|EPROBE_DEFER|\bdeferr")
"""A probe that is made again (drivers/base/dd.c, Linux 6.12)."""
_AMOUNTS: Final = re.compile(rb"(?<![\w./:@-])(?:0[xX][0-9a-fA-F]+|-?\d+)(?![\w/:@-]|\.\w)")
_REGISTER: Final = re.compile(
    rb"(?:(?<=[\s(])|\A)[A-Za-z][\w.]{0,9}(?: \d{1,2})?\s{0,3}[:=]\s{0,3}[\[<(]{0,2}"
    rb"(?:0x)?[0-9a-fA-F]{8,16}[\]>)]{0,2}(?=[\s,;)]|\Z)"
)
_MAYBE_REGISTER: Final = holds(rb"[:=]\s{0,3}[\[<(]{0,2}(?:0x)?[0-9a-fA-F]{8}")
"""What every such holds, and few other lines: found sooner."""
_TRACED: Final = (b"initcall ", b"calling ", b"probe of ", b"entering initcall ", b"PM: Calling ")
_TRACED_WITH: Final = (b": PM: calling ", b" returned ")
"""Functions that are told as they run: initcall_debug (init/main.c, drivers/base/dd.c, power/main.c,
Linux 6.12)."""
_NAMED: Final = re.compile(rb"(?:[\w.-]{1,24}: ){1,2}(?=[A-Za-z]\w{0,9}\s?=\s?0x)")
"""Who dumps, and of which processor: `sbi_trap_error: hart2: ` (OpenSBI lib/sbi/sbi_trap.c, 1.3)."""
_SHORT_REGISTER: Final = re.compile(rb"[A-Za-z]\w{0,9}\s?=\s?0x[0-9a-fA-F]{1,16}\b")
_FRAME: Final = re.compile(
    rb"[\w.$@]+\+0x(?!0/)[0-9a-f]{1,8}/0x[0-9a-f]{1,8}|\A\s*(?:#\d+ |\[?<)[0-9a-fx]{8,18}>?\]?"
)
_WORD: Final = re.compile(rb"[A-Za-z_][\w.]+")
_WORDS_BESIDE_FRAMES: Final = 4
"""As in `PC is at f+0x4/0x8 [module]`; a sentence that names a function has more."""
_WORDS_OF_HEX: Final = re.compile(
    rb"\s*(?:[0-9a-fA-F]{4,16}[:)]?\s+){3,}[0-9a-fA-F]{4,16}\s*\Z|\s*Code: "
    rb"|\s*[A-Za-z]\w{1,9}:(?:\s+[0-9a-fA-F]{8,16}){2,}\s*\Z"
)


@lru_cache(maxsize=_REMEMBERED)
def is_dump(text: bytes) -> bool:
    """Whether a line shows registers, a stack or memory, and says nothing else."""
    text = text[:512]
    if text.startswith(_TRACED) or any(words in text for words in _TRACED_WITH):
        return False
    if _FRAME.search(text) is not None:
        return len(_WORD.findall(_FRAME.sub(b"", text))) <= _WORDS_BESIDE_FRAMES
    if _WORDS_OF_HEX.match(text) is not None:
        return True
    named = _NAMED.match(text)
    if named is not None:
        # By its label a dump, even where the values are short.
        rest, registers = _SHORT_REGISTER.subn(b"", text[named.end() :])
        return registers > 0 and not rest.strip()
    if not _MAYBE_REGISTER(text):
        return False
    rest, registers = _REGISTER.subn(b"", text)
    return registers > 0 and len(_LETTERS.findall(rest)) <= 1


def repeated_block(shapes: Sequence[bytes], *, least: int, longest: int = 200) -> int | None:
    """The length of the block of lines with which the list ends `least` times over; None without one.

    The last repetition may be cut off. A tenth of the lines may differ.
    """
    count = len(shapes)
    for period in range(1, min(longest, count // least) + 1):
        span = period * (least - 1)
        start = count - span
        wrong = allowed = span // 10
        for index in range(start, count):
            if shapes[index] != shapes[index - period]:
                wrong -= 1
                if wrong < 0:
                    break
        else:
            if allowed < span:
                return period
    return None


def last_repetition(texts: Sequence[bytes], *, least: int, longest: int = 200) -> list[int] | None:
    """The places of the block with which the list ends `least` times over, its last time; None without one.

    Lines that are not of it may stand between: a second console writes too.
    """
    period = repeated_block(texts, least=least, longest=longest)
    if period is not None:
        return list(range(len(texts) - period, len(texts)))
    counts = Counter(texts)
    often = [index for index, text in enumerate(texts) if counts[text] >= least]
    period = repeated_block([texts[index] for index in often], least=least, longest=longest)
    if period is None:
        return None
    length = period * least
    dense = 3 * length >= 2 * (len(texts) - often[-length])
    return often[-period:] if dense and len(texts) - often[-1] <= _AFTER_LOOP else None


def begin_of_run(texts: Sequence[bytes], places: Sequence[int]) -> int:
    """Where the unbroken run of lines begins that are all of the block at `places`.

    Before anything is started nothing runs beside it: all of the run is one loop, however quick its turns.
    """
    block = {texts[place] for place in places}
    first = places[0]
    while first > 0 and texts[first - 1] in block:
        first -= 1
    return first


_AFTER_LOOP: Final = 2
"""Lines from the last of a loop to the end of the log."""


def makes_progress(texts: Sequence[bytes], shapes: Sequence[bytes], period: int, turns: int) -> bool:
    """Whether in the last turns of a loop a line comes with other numbers each time, as addresses do."""
    since = max(len(texts) - turns * (period + 1), 0)
    different = Counter(shape for _, shape in set(zip(texts[since:], shapes[since:], strict=True)))
    return any(count >= turns for count in different.values())
