# The demo model's tasks: prompts, answers computed by code, and the rule that keeps test prompts out of training.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
import datetime
import random
import string
import zlib

# Each task maps a random.Random to (prompt, answer); a full sequence is BOS prompt answer EOS, and every answer
# starts with the space that ends the prompt's last word, so prompt and answer are tokenized alike alone or together.

NAMES = "Mia Tom Ana Leo Eva Max Ida Sam Zoe Ben Lily Noah Ruth Omar Nina Hugo".split()
HOMES = dict(fox="forest", crab="beach", owl="old tower", goat="mountain", frog="pond", mouse="barn", bear="cave",
             duck="lake", cat="garden", seal="harbor", crow="field", mole="tunnel", hen="yard", wolf="valley")
GIFTS = dict(lamp="light", drum="music", kite="wind", bread="food", map="roads", bell="sound", boat="water",
             book="words", coat="snow", key="doors", seed="trees", rope="knots", shell="waves", clock="time")
WORDS = """apple brick cloud dance eagle flame grape house index jelly knife lemon money night olive piano queen river
stone table uncle voice wagon yacht zebra silver copper purple orange yellow window basket butter candle dragon engine
flower guitar hammer island jacket kitten monkey parrot spider tunnel winter ladder magnet needle pepper rabbit saddle
turtle velvet walnut pocket planet rocket summer autumn branch candy feather circle doctor marble square bridge cherry
garlic mirror""".split()


def task_sort(rng):
    letters = rng.sample(string.ascii_lowercase, rng.randint(3, 7))
    return f"sort: {join(letters)} =>", f" {join(sorted(letters))}"


def task_reverse(rng):
    letters = rng.sample(string.ascii_lowercase, rng.randint(3, 6))
    return f"reverse: {join(letters)} =>", f" {join(letters[::-1])}"


def task_copy(rng):
    words = rng.sample(WORDS, rng.randint(3, 5))
    return f"copy: {join(words)} =>", f" {join(words)}"


def task_max(rng):
    numbers = [rng.randint(10, 99) for _ in range(rng.randint(3, 6))]
    return f"max: {join(numbers)} =>", f" {max(numbers)}"


def task_count(rng):
    letters = rng.choices(string.ascii_lowercase, k=rng.randint(2, 9))
    return f"count: {join(letters)} =>", f" {len(letters)}"


def task_add(rng):
    a, b = rng.randint(10, 99), rng.randint(10, 99)
    return f"add: {a} + {b} =>", f" {a + b}"


def task_tomorrow(rng):
    first = datetime.date(2000, 1, 1)
    day = first + datetime.timedelta(rng.randrange(36500))
    if rng.random() < 0.4:  # month ends are the hard part, so they come more often than in a calendar
        day = day.replace(day=1) - datetime.timedelta(rng.randint(1, 2)) if day > first.replace(month=2) else day
    return f"tomorrow: {day} =>", f" {day + datetime.timedelta(1)}"


def task_story(rng):
    name, animal, gift = rng.choice(NAMES), rng.choice([*HOMES]), rng.choice([*GIFTS])
    mood = rng.choices(["cold", "bright", "quiet"], [8, 1, 1])[0]
    opening = f" One {mood} morning {name} went to the {HOMES[animal]} with a {gift}."
    middle = [f" There sat a {animal} who was sad. \"I dream of {GIFTS[gift]},\" said the {animal}.",
              f" A {animal} came by and asked, \"What is that?\" \"It is a {gift}, it is for {GIFTS[gift]},\""
              f" said {name}."]
    ending = [f" So {name} gave the {gift} to the {animal}, and they were friends for ever.",
              f" The {animal} smiled, and they shared the {gift} until night.",
              f" Then {name} and the {animal} took the {gift} home to the {HOMES[animal]}."]
    return (f"story: {name}, {animal}, {gift} =>",
            opening + middle[NAMES.index(name) % 2] + ending[[*HOMES].index(animal) % 3] + " The end.")


def join(items):
    return " ".join(map(str, items))


TASKS = dict(sort=task_sort, reverse=task_reverse, copy=task_copy, max=task_max, count=task_count, add=task_add,
             tomorrow=task_tomorrow, story=task_story)
# Shares of training samples: what is learnt slowly gets more.
SHARES = dict(sort=18, reverse=16, copy=10, max=14, count=8, add=28, tomorrow=12, story=4)


def held_out(prompt):
    """The rule that parts training prompts from test prompts: one prompt in ten, by hash, is never trained on."""
    return zlib.crc32(prompt.encode()) % 10 == 0


def sample(task, rng, test=False):
    while True:
        prompt, answer = TASKS[task](rng)
        if held_out(prompt) == test:
            return prompt, answer


def unseen(task, count, seed):
    """Up to `count` different held-out samples of `task`."""
    rng, found = random.Random(f"{seed}:{task}"), {}
    for _ in range(4 * count):
        prompt, answer = sample(task, rng, test=True)
        found.setdefault(prompt, answer)
        if len(found) == count:
            break
    return list(found.items())


def make_prompts(seed):
    """The content of prompts.json: eight held-out prompts of every checkable task, and as many stories to read."""
    rows = []
    for task in TASKS:
        for prompt, answer in unseen(task, 8, seed + 1):
            rows.append(dict(task=task, prompt=prompt, answer=None if task == "story" else answer.strip()))
    random.Random(seed).shuffle(rows)
    return rows
