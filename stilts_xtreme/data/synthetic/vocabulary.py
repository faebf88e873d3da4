"""The concepts of the synthetic world: kinds, adjectives, verbs, rules. English words are only glosses of the concepts.

Nothing here is drawn: what a world's seed decides (where a kind is found, what it is like) is in ``world.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "goat", "hen", "wolf", "bear", "fish"),
    "food": ("bread", "apple", "cheese", "soup", "rice", "egg", "cake", "honey"),
    "tool": ("hammer", "knife", "rope", "saw", "needle", "axe", "shovel", "broom"),
    "vehicle": ("cart", "boat", "bicycle", "sled", "wagon", "raft"),
    "garment": ("coat", "hat", "shirt", "shoe", "scarf", "glove", "belt"),
    "container": ("box", "basket", "jar", "bottle", "bag", "bucket"),
    "instrument": ("drum", "flute", "harp", "bell", "horn", "fiddle"),
    "plant": ("rose", "oak", "fern", "reed", "vine", "moss"),
    "furniture": ("chair", "table", "bed", "bench", "shelf", "stool"),
}
"""Hypernym -> its kinds. Kinds of different hypernyms never overlap."""

THINGS: tuple[str, ...] = tuple(kind for kinds in KINDS.values() for kind in kinds)
ROLES = (
    *("teacher", "farmer", "doctor", "baker", "soldier", "singer", "fisher"),
    *("weaver", "king", "child", "guest", "thief", "judge", "merchant"),
)
PLACES = (
    *("market", "river", "forest", "school", "kitchen", "garden", "bridge"),
    *("tower", "harbour", "field", "cave", "temple", "road", "hall"),
)
TIMES = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    *("morning", "evening", "summer", "winter"),
)
OTHER_NOUNS = ("person", "place", "cause", "result")

ANTONYMS = (
    *(("big", "small"), ("hot", "chilly"), ("old", "new"), ("fast", "slow"), ("clean", "dirty")),
    *(("heavy", "light"), ("wet", "dry"), ("cheap", "costly"), ("loud", "quiet"), ("hard", "soft")),
)
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown")
FEELINGS = (
    "happy",
    "angry",
    "sad",
    "tired",
    "hungry",
    "thirsty",
    "afraid",
    "bored",
    "sick",
    "proud",
    "hurt",
    "ashamed",
)
CHARACTERS = ("kind", "greedy", "cruel", "polite", "brave", "wise")
QUALITIES: tuple[str, ...] = tuple(word for pair in ANTONYMS for word in pair) + COLOURS
"""Adjectives that a thing can have; members of one pair, and the colours, exclude each other."""

GENERAL_VERBS = (
    *("see", "buy", "sell", "find", "lose", "carry", "throw", "push", "pull", "lift"),
    *("steal", "hold", "drop", "touch", "count", "admire", "describe", "guard", "bring", "hide"),
)
PERSON_VERBS = (
    *("help", "follow", "meet", "praise", "insult", "teach"),
    *("deceive", "visit", "save", "thank", "greet", "blame"),
)
MUTUAL_VERBS = ("meet", "marry", "resemble", "accompany", "know", "join")
"""Verbs that say the same when the two persons change places."""
GIVE_VERBS = ("give", "send", "lend", "offer")
ORG_VERBS = ("hire", "produce", "import", "export", "own")
SINGLE_VERBS = (
    *("sleep", "run", "laugh", "swim", "dance", "wait", "shout", "cry"),
    *("fall", "rest", "work", "sit", "drink", "boast", "tremble", "smile"),
)
OPTIONAL_VERBS = ("eat", "cook", "paint", "play", "draw", "wash")
"""Verbs that occur with and without an object, so that a word's supertag depends on its neighbours."""

SCRIPTS: Mapping[str, tuple[str, ...]] = {
    "food": ("buy", "wash", "cut", "cook", "eat"),
    "garment": ("sew", "wear", "wash", "iron", "fold"),
    "tool": ("find", "clean_up", "sharpen", "use", "store"),
    "container": ("take", "open", "fill", "close", "carry"),
    "vehicle": ("fix", "load", "drive", "unload", "park"),
    "instrument": ("borrow", "tune", "play", "wrap", "return"),
    "plant": ("bury", "sprinkle", "watch", "pick", "smell"),
    "animal": ("catch", "feed", "train", "ride", "free"),
    "furniture": ("draw", "build", "paint", "move", "sell"),
}
"""What people do with a thing of each hypernym, in this order."""

SYNONYMS: Mapping[str, str] = {
    "see": "notice",
    "buy": "acquire",
    "sell": "trade",
    "find": "discover",
    "lose": "mislay",
    "carry": "haul",
    "throw": "toss",
    "push": "shove",
    "lift": "raise",
    "steal": "rob",
    "hold": "grip",
    "drop": "release",
    "help": "assist",
    "follow": "trail",
    "meet": "encounter",
    "praise": "applaud",
    "insult": "mock",
    "visit": "call_on",
    "save": "rescue",
    "give": "donate",
    "big": "large",
    "fast": "rapid",
    "clean": "pure",
    "costly": "precious",
    "old": "ancient",
    "chilly": "frosty",
    "coat": "cloak",
    "box": "crate",
    "hen": "fowl",
    "cart": "barrow",
    "boat": "vessel",
    "stool": "footrest",
}
"""Concept -> a second word of the same meaning."""
SAME: Mapping[str, str] = {**SYNONYMS, **{second: first for first, second in SYNONYMS.items()}}
HYPERNYM: Mapping[str, str] = {
    word: group for group, kinds in KINDS.items() for kind in kinds for word in (kind, SYNONYMS.get(kind, kind))
}
"""Kind (or its synonym) -> hypernym."""

MANNERS = ("quickly", "slowly", "gladly", "again", "often", "early", "late")
ADPOSITIONS = ("in", "to", "with", "from", "of")
DETERMINERS = ("the", "a", "every", "some", "this")
LINKS = ("and", "but", "because", "so", "then")
QUESTION_WORDS = ("who", "what", "where", "when", "how_many", "why", "how")
PARTICLES = ("not", "be", "they", "do", "next", "q")

# A rule is (cause, effect); each side is (slot, kind of statement, word): slot X is the person, O the thing.
RULES: tuple[tuple[tuple[str, str, str], tuple[str, str, str]], ...] = (
    (("X", "be", "tired"), ("X", "do", "sleep")),
    (("X", "be", "happy"), ("X", "do", "dance")),
    (("X", "be", "sad"), ("X", "do", "cry")),
    (("X", "be", "angry"), ("X", "do", "shout")),
    (("X", "be", "hungry"), ("X", "do", "eat")),
    (("X", "be", "thirsty"), ("X", "do", "drink")),
    (("X", "be", "sick"), ("X", "do", "rest")),
    (("X", "be", "proud"), ("X", "do", "boast")),
    (("X", "be", "afraid"), ("X", "do", "tremble")),
    (("X", "act", "find"), ("X", "be", "happy")),
    (("X", "act", "lose"), ("X", "be", "sad")),
    (("X", "act", "steal"), ("X", "be", "ashamed")),
    (("X", "act", "build"), ("X", "be", "proud")),
    (("X", "act", "push"), ("X", "be", "tired")),
    (("X", "act", "count"), ("X", "be", "bored")),
    (("X", "act", "drop"), ("X", "be", "hurt")),
    (("X", "act", "wash"), ("O", "be", "clean")),
    (("X", "act", "bury"), ("O", "be", "dirty")),
    (("X", "act", "cook"), ("O", "be", "hot")),
    (("X", "act", "sprinkle"), ("O", "be", "wet")),
    (("X", "act", "fill"), ("O", "be", "heavy")),
    (("X", "act", "fix"), ("O", "be", "new")),
    (("X", "act", "tune"), ("O", "be", "loud")),
    (("X", "act", "sharpen"), ("O", "be", "costly")),
)

SOCIAL: Mapping[str, tuple[str, str, str]] = {
    "help": ("happy", "smile", "kind"),
    "praise": ("proud", "boast", "polite"),
    "insult": ("angry", "shout", "cruel"),
    "deceive": ("sad", "cry", "greedy"),
    "save": ("tired", "rest", "brave"),
    "teach": ("bored", "sleep", "wise"),
    "follow": ("afraid", "run", "cruel"),
    "blame": ("ashamed", "tremble", "cruel"),
    "greet": ("happy", "laugh", "polite"),
    "visit": ("hungry", "eat", "kind"),
}
"""What a person does to another -> how the other feels, what the other does next, what the first is like."""

# Parts of names. Bare family names are also towns and firms: only the sentence tells which.
GIVEN = tuple(f"given{i}" for i in range(24))
SHARED_STEMS = tuple(f"stem{i}" for i in range(16))
TOWNS = tuple(f"town{i}" for i in range(8))
FIRMS = tuple(f"firm{i}" for i in range(8))
NAMES = GIVEN + SHARED_STEMS + TOWNS + FIRMS
ORG_WORDS = ("guild", "bank", "press")
TOWN_WORDS = ("fort", "saint")

NOUNS = (
    *THINGS,
    *KINDS,
    *ROLES,
    *PLACES,
    *TIMES,
    *OTHER_NOUNS,
    "cloak",
    "crate",
    "fowl",
    "barrow",
    "vessel",
    "footrest",
)
ADJECTIVES = (*QUALITIES, *FEELINGS, *CHARACTERS, "large", "rapid", "pure", "precious", "ancient", "frosty")


def _verbs() -> tuple[str, ...]:
    listed = [*GENERAL_VERBS, *PERSON_VERBS, *MUTUAL_VERBS, *GIVE_VERBS, *ORG_VERBS, *SINGLE_VERBS, *OPTIONAL_VERBS]
    listed += [verb for steps in SCRIPTS.values() for verb in steps]
    known = set(NOUNS) | set(ADJECTIVES)
    listed += [second for first, second in SYNONYMS.items() if second not in known]
    return tuple(dict.fromkeys(listed))


VERBS = _verbs()
FUNCTION_WORDS = (*DETERMINERS, *ADPOSITIONS, *LINKS, *QUESTION_WORDS, *PARTICLES)
WORDS = (*FUNCTION_WORDS, *NOUNS, *ADJECTIVES, *VERBS, *MANNERS, *ORG_WORDS, *TOWN_WORDS)
"""Every concept that has one word in each language, names aside."""

UPOS: Mapping[str, str] = {
    **dict.fromkeys(NOUNS, "NOUN"),
    **dict.fromkeys(ADJECTIVES, "ADJ"),
    **dict.fromkeys(VERBS, "VERB"),
    **dict.fromkeys((*MANNERS, "then", "next", "where", "when", "why", "how"), "ADV"),
    **dict.fromkeys(DETERMINERS, "DET"),
    **dict.fromkeys(ADPOSITIONS, "ADP"),
    **dict.fromkeys(("and", "but"), "CCONJ"),
    **dict.fromkeys(("because", "so"), "SCONJ"),
    **dict.fromkeys(("who", "what", "they"), "PRON"),
    "how_many": "DET",
    "not": "PART",
    "q": "PART",
    "be": "AUX",
    "do": "VERB",
    **dict.fromkeys((*NAMES, *ORG_WORDS, *TOWN_WORDS), "PROPN"),
}
