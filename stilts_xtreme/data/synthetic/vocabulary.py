"""The concepts of the synthetic world: kinds, adjectives, verbs, rules. English words are only glosses of the concepts.

Nothing here is drawn: what a world's seed decides (where a kind is found, what it is like) is in ``world.py``.
"""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, tuple[str, ...]] = {
    "animal": (
        *("dog", "cat", "horse", "goat", "hen", "wolf", "bear"),
        *("fish", "sheep", "cow", "duck", "fox", "mouse", "rabbit"),
    ),
    "food": (
        *("bread", "apple", "cheese", "soup", "rice", "egg", "cake"),
        *("honey", "pear", "bean", "onion", "nut", "butter", "porridge"),
    ),
    "tool": (
        *("hammer", "knife", "rope", "saw", "needle", "axe"),
        *("shovel", "broom", "ladder", "rake", "scissors", "chisel"),
    ),
    "vehicle": ("cart", "boat", "bicycle", "sled", "wagon", "raft", "carriage", "ferry", "canoe"),
    "garment": ("coat", "hat", "shirt", "shoe", "scarf", "glove", "belt", "skirt", "sock", "apron", "cap"),
    "container": ("box", "basket", "jar", "bottle", "bag", "bucket", "barrel", "cup", "bowl", "chest"),
    "instrument": ("drum", "flute", "harp", "bell", "horn", "fiddle", "whistle", "lute", "gong"),
    "plant": ("rose", "oak", "fern", "reed", "vine", "moss", "tulip", "pine", "thistle", "ivy"),
    "furniture": ("chair", "table", "bed", "bench", "shelf", "stool", "cupboard", "desk", "cradle"),
    "jewel": ("ring", "crown", "pearl", "brooch", "necklace", "coin"),
    "document": ("letter", "book", "map", "contract", "ticket", "diary", "poster", "recipe"),
}
"""Hypernym -> its kinds. Kinds of different hypernyms never overlap."""

THINGS: tuple[str, ...] = tuple(kind for kinds in KINDS.values() for kind in kinds)
ROLES = (
    *("teacher", "farmer", "doctor", "baker", "soldier", "singer", "fisher", "weaver"),
    *("king", "child", "guest", "thief", "judge", "merchant", "nurse", "miller"),
    *("sailor", "painter", "hunter", "shepherd", "priest", "carpenter", "tailor", "smith"),
    *("student", "queen", "neighbour", "stranger", "beggar", "messenger", "butcher", "clerk"),
)
PLACES = (
    *("market", "river", "forest", "school", "kitchen", "garden", "bridge"),
    *("tower", "harbour", "field", "cave", "temple", "road", "hall"),
    *("island", "valley", "mountain", "lake", "castle", "village", "inn"),
    *("mill", "barn", "library", "cellar", "street", "beach", "square"),
)
TIMES = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    *("morning", "evening", "summer", "winter", "spring", "autumn", "noon", "night", "dawn"),
)
OTHER_NOUNS = ("person", "place", "cause", "result")

ANTONYMS = (
    *(("big", "small"), ("hot", "chilly"), ("old", "new"), ("fast", "slow"), ("clean", "dirty")),
    *(("heavy", "light"), ("wet", "dry"), ("cheap", "costly"), ("loud", "quiet"), ("hard", "soft")),
    *(("long", "short"), ("sharp", "blunt"), ("full", "empty"), ("thick", "thin"), ("rough", "smooth")),
)
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "purple", "grey")
FEELINGS = (
    *("happy", "angry", "sad", "tired", "hungry", "thirsty", "afraid", "bored", "sick", "proud", "hurt"),
    *("ashamed", "calm", "lonely", "jealous", "curious"),
)
CHARACTERS = ("kind", "greedy", "cruel", "polite", "brave", "wise", "honest", "lazy", "clever", "shy")
QUALITIES: tuple[str, ...] = tuple(word for pair in ANTONYMS for word in pair) + COLOURS
"""Adjectives that a thing can have; members of one pair, and the colours, exclude each other."""
SCALES = ("big", "heavy", "old", "costly", "loud", "fast")
"""Qualities by which things are compared; the opposite of each says the same the other way round."""

GENERAL_VERBS = (
    *("see", "buy", "sell", "find", "lose", "carry", "throw", "push", "pull", "lift"),
    *("steal", "hold", "drop", "touch", "count", "admire", "describe", "guard", "bring", "hide"),
    *("break", "inspect", "measure", "weigh", "kick", "shake", "hang", "pack", "share", "display"),
    *("collect", "deliver", "drag", "cover", "mark", "fetch", "swap", "want", "like", "hate"),
)
PERSON_VERBS = (
    *("help", "follow", "meet", "praise", "insult", "teach"),
    *("deceive", "visit", "save", "thank", "greet", "blame"),
    *("warn", "invite", "forgive", "trust", "fear", "comfort", "punish", "pay"),
)
MUTUAL_VERBS = ("meet", "marry", "resemble", "accompany", "know", "join")
"""Verbs that say the same when the two persons change places."""
GIVE_VERBS = ("give", "send", "lend", "offer")
ORG_VERBS = ("hire", "produce", "import", "export", "own")
SINGLE_VERBS = (
    *("sleep", "run", "laugh", "swim", "dance", "wait", "shout", "cry"),
    *("fall", "rest", "work", "sit", "drink", "boast", "tremble", "smile"),
    *("sing", "kneel", "jump", "leave", "arrive", "pray", "yawn", "whisper"),
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
    "jewel": ("dig_up", "polish", "weigh", "display", "pawn"),
    "document": ("write", "copy", "sign", "seal", "send"),
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
    "break": "smash",
    "inspect": "examine",
    "collect": "gather",
    "drag": "tow",
    "want": "desire",
    "hate": "detest",
    "hide": "conceal",
    "help": "assist",
    "follow": "trail",
    "meet": "encounter",
    "praise": "applaud",
    "insult": "mock",
    "visit": "call_on",
    "save": "rescue",
    "warn": "alert",
    "give": "donate",
    "big": "large",
    "fast": "rapid",
    "clean": "pure",
    "costly": "precious",
    "old": "ancient",
    "chilly": "frosty",
    "empty": "hollow",
    "rough": "coarse",
    "coat": "cloak",
    "box": "crate",
    "hen": "fowl",
    "cart": "barrow",
    "boat": "vessel",
    "stool": "footrest",
    "bag": "sack",
    "rope": "cord",
    "letter": "note",
}
"""Concept -> a second word of the same meaning."""
SAME: Mapping[str, str] = {**SYNONYMS, **{second: first for first, second in SYNONYMS.items()}}
HYPERNYM: Mapping[str, str] = {
    word: group for group, kinds in KINDS.items() for kind in kinds for word in (kind, SYNONYMS.get(kind, kind))
}
"""Kind (or its synonym) -> hypernym."""

MANNERS = (
    *("quickly", "slowly", "gladly", "again", "often", "early", "late"),
    *("quietly", "secretly", "carefully", "suddenly", "together", "badly"),
)
ADPOSITIONS = ("in", "to", "with", "from", "of", "than")
DETERMINERS = ("the", "a", "every", "some", "this")
LINKS = ("and", "but", "because", "so", "then")
# Nothing asks "how many", as no unlabelled text does and no encoder could know the word in another language. It stays,
# because without it every word after it would have another form.
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
    (("X", "be", "calm"), ("X", "do", "pray")),
    (("X", "be", "lonely"), ("X", "do", "wait")),
    (("X", "be", "bored"), ("X", "do", "yawn")),
    (("X", "be", "ashamed"), ("X", "do", "kneel")),
    (("X", "act", "find"), ("X", "be", "happy")),
    (("X", "act", "lose"), ("X", "be", "sad")),
    (("X", "act", "steal"), ("X", "be", "ashamed")),
    (("X", "act", "build"), ("X", "be", "proud")),
    (("X", "act", "push"), ("X", "be", "tired")),
    (("X", "act", "count"), ("X", "be", "bored")),
    (("X", "act", "drop"), ("X", "be", "hurt")),
    (("X", "act", "share"), ("X", "be", "calm")),
    (("X", "act", "want"), ("X", "be", "jealous")),
    (("X", "act", "inspect"), ("X", "be", "curious")),
    (("X", "act", "guard"), ("X", "be", "lonely")),
    (("X", "act", "wash"), ("O", "be", "clean")),
    (("X", "act", "bury"), ("O", "be", "dirty")),
    (("X", "act", "cook"), ("O", "be", "hot")),
    (("X", "act", "sprinkle"), ("O", "be", "wet")),
    (("X", "act", "fill"), ("O", "be", "heavy")),
    (("X", "act", "fix"), ("O", "be", "new")),
    (("X", "act", "tune"), ("O", "be", "loud")),
    (("X", "act", "sharpen"), ("O", "be", "sharp")),
    (("X", "act", "polish"), ("O", "be", "smooth")),
    (("X", "act", "open"), ("O", "be", "empty")),
    (("X", "act", "fold"), ("O", "be", "thin")),
    (("X", "act", "break"), ("O", "be", "cheap")),
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
    "warn": ("curious", "wait", "wise"),
    "forgive": ("calm", "rest", "honest"),
    "punish": ("hurt", "leave", "brave"),
    "trust": ("lonely", "whisper", "shy"),
    "pay": ("thirsty", "drink", "clever"),
}
"""What a person does to another -> how the other feels, what the other does next, what the first is like."""

# Parts of names. Bare family names are also towns and firms: only the sentence tells which.
GIVEN = tuple(f"given{i}" for i in range(36))
SHARED_STEMS = tuple(f"stem{i}" for i in range(24))
TOWNS = tuple(f"town{i}" for i in range(12))
FIRMS = tuple(f"firm{i}" for i in range(12))
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
    "sack",
    "cord",
    "note",
)
ADJECTIVES = (
    *(*QUALITIES, *FEELINGS, *CHARACTERS),
    *("large", "rapid", "pure", "precious", "ancient", "frosty", "hollow", "coarse"),
)


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
