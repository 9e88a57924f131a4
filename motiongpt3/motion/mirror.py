"""What a caption says once its motion is seen in a mirror: left and right change places."""

import re

SWAPS = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "leftmost": "rightmost",
    "lefty": "righty",
    "lefties": "righties",
    "clockwise": "counterclockwise",
}
SWAPS |= {image: word for word, image in SWAPS.items()}
# Spellings without a partner of their own: from two mirrors they come back as "counterclockwise".
SWAPS |= {"anticlockwise": "clockwise", "counter-clockwise": "clockwise"}
SWAPS |= {"counter clockwise": "clockwise", "anti-clockwise": "clockwise"}
_LONGEST_FIRST = "|".join(sorted(SWAPS, key=len, reverse=True))
WORD = re.compile(rf"\b(?:{_LONGEST_FIRST})\b", re.IGNORECASE)
ANGLE = re.compile(r"[ -]angle[sd]?\b", re.IGNORECASE)
# "right" says no side before these words ...
NOT_A_SIDE = re.compile(
    r" (?:away|now|then|here|there|way up|side up|off the bat"
    r"|after|before|behind|beside|next to|in front of)\b",
    re.IGNORECASE,
)
# ... and after these.
NOT_A_SIDE_AFTER = re.compile(r"\b(?:all|that's|just|is it)[ -]$", re.IGNORECASE)
# After these it is a side whatever follows: "on the right before", "turns right after".
SIDE_AFTER = re.compile(
    r"\b(?:the|to|their|his|her|its|your|my|one's|and|or|from|of|a"
    r"|turn(?:s|ed|ing)?|veer(?:s|ed|ing)?|swerv(?:e|es|ed|ing)|curv(?:e|es|ed|ing)|bear(?:s|ing)?"
    r"|bend(?:s|ing)?|spin(?:s|ning)?|rotat(?:e|es|ed|ing)|pivot(?:s|ed|ing)?|fac(?:e|es|ed|ing)"
    r"|look(?:s|ed|ing)?)\s$",
    re.IGNORECASE,
)
# What is left over: "no energy left".
REMAINING = re.compile(
    r"\b(?:energy|strength|power|breath|time|nothing|anything|much|little)\s$", re.IGNORECASE
)
# "left" is the past of "leave" here: "he left the room", "has left the".
LEAVING = re.compile(
    r"\b(?:person|someone|somebody|man|woman|he|she|they|who|it|has|have|had|is|are|was|were)\s$",
    re.IGNORECASE,
)
LEFT_OBJECT = re.compile(r" (?:the|his|her|their|its|a|an|alone|behind)\b", re.IGNORECASE)


def mirror_words(text: str) -> str:
    """Swap left and right, clockwise and counterclockwise in `text`, upper and lower case kept.

    Compounds follow ("left-handed", "leftward", "lefty"). Words that name no side stay: "right
    away", "right after", "right-angle", "all right", "upright", "leftover", "no energy left", "he
    left the room". A "left" whose mirror image would read as such an idiom becomes "to the right":
    "hops left after" -> "hops to the right after". Applied twice it gives the text back, but for
    that case and for the spellings of counterclockwise.
    """
    return WORD.sub(lambda match: _swap(match, text), text)


def _swap(match: re.Match[str], text: str) -> str:
    word = match.group()
    before, after = text[: match.start()], text[match.end() :]
    image = SWAPS[word.lower()]
    if word.lower() == "right" and _names_no_side(before, after):
        return word
    if word.lower() == "left":
        if REMAINING.search(before) or (LEAVING.search(before) and LEFT_OBJECT.match(after)):
            return word
        if _names_no_side(before, after) and not ANGLE.match(after):
            image = "to the right"
    if word.isupper():
        return image.upper()
    return image[0].upper() + image[1:] if word[0].isupper() else image


def _names_no_side(before: str, after: str) -> bool:
    """Whether "right" between these two pieces of text is "at once", "fine" or an angle."""
    if ANGLE.match(after) or NOT_A_SIDE_AFTER.search(before):
        return True
    return NOT_A_SIDE.match(after) is not None and SIDE_AFTER.search(before) is None
