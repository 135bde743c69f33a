"""Rows like those of TPC-H's dbgen: the same sizes, domains and ties between tables, from a seed; texts are shorter."""
import datetime
import random

REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]
NATIONS = [("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0), ("FRANCE", 3), ("GERMANY", 3), ("INDIA", 2),
           ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4), ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1),
           ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3), ("UNITED KINGDOM", 3), ("UNITED STATES", 1)]
COLOURS = ["almond", "azure", "beige", "blue", "brown", "coral", "cream", "cyan", "forest", "gold", "green", "grey", "honey", "ivory", "khaki", "lime",
           "linen", "navy", "olive", "orange", "pink", "plum", "puff", "red", "rose", "salmon", "sienna", "sky", "smoke", "snow", "tan", "white"]
TYPES = [f"{a} {b} {c}" for a in ("STANDARD", "SMALL", "MEDIUM", "LARGE", "ECONOMY", "PROMO")
         for b in ("ANODIZED", "BURNISHED", "PLATED", "POLISHED", "BRUSHED") for c in ("TIN", "NICKEL", "BRASS", "STEEL", "COPPER")]
CONTAINERS = [f"{a} {b}" for a in ("SM", "LG", "MED", "JUMBO", "WRAP") for b in ("CASE", "BOX", "BAG", "JAR", "PKG", "PACK", "CAN", "DRUM")]
SEGMENTS = ["AUTOMOBILE", "BUILDING", "FURNITURE", "MACHINERY", "HOUSEHOLD"]
PRIORITIES = ["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"]
INSTRUCTIONS = ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"]
MODES = ["REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"]
WORDS = ["carefully", "special", "requests", "deposits", "packages", "Customer", "Complaints", "final", "ideas", "quickly", "ironic", "pending"]
FIRST, LAST = datetime.date(1992, 1, 1), datetime.date(1998, 8, 2)
TODAY = datetime.date(1995, 6, 17)


def money(cents):
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


def retail(part):
    return 90000 + part // 10 % 20001 + 100 * (part % 1000)


def supplier_of(part, i, suppliers):
    return (part + i * (suppliers // 4 + (part - 1) // suppliers)) % suppliers + 1


def tables(scale, seed=1):
    """(name, rows) of each table; rows are made as they are taken."""
    dice = random.Random(seed)
    suppliers, parts, customers, orders = (max(4, int(count * scale)) for count in (10_000, 200_000, 150_000, 1_500_000))
    some = lambda: " ".join(dice.choices(WORDS, k=4))  # noqa: E731
    phone = lambda nation: f"{nation + 10}-{dice.randint(100, 999)}-{dice.randint(100, 999)}-{dice.randint(1000, 9999)}"  # noqa: E731

    yield "region", ((i, name, some()) for i, name in enumerate(REGIONS))
    yield "nation", ((i, name, region, some()) for i, (name, region) in enumerate(NATIONS))
    yield "supplier", ((i, f"Supplier#{i:09}", some()[:40], nation, phone(nation), money(dice.randint(-99999, 999999)), some())
                       for i in range(1, suppliers + 1) for nation in (dice.randrange(25),))
    yield "part", ((i, " ".join(dice.sample(COLOURS, 5)), f"Manufacturer#{maker}", f"Brand#{maker}{dice.randint(1, 5)}", dice.choice(TYPES),
                    dice.randint(1, 50), dice.choice(CONTAINERS), money(retail(i)), some()[:23])
                   for i in range(1, parts + 1) for maker in (dice.randint(1, 5),))
    yield "partsupp", ((i, supplier_of(i, n, suppliers), dice.randint(1, 9999), money(dice.randint(100, 100000)), some())
                       for i in range(1, parts + 1) for n in range(4))
    yield "customer", ((i, f"Customer#{i:09}", some()[:40], nation, phone(nation), money(dice.randint(-99999, 999999)), dice.choice(SEGMENTS), some())
                       for i in range(1, customers + 1) for nation in (dice.randrange(25),))
    lines = []
    yield "orders", order_rows(dice, orders, customers, parts, suppliers, some, lines)
    yield "lineitem", lines


def order_rows(dice, orders, customers, parts, suppliers, some, lines):
    days = (LAST - FIRST).days
    for i in range(1, orders + 1):
        key = (i - 1) // 8 * 32 + (i - 1) % 8 + 1
        customer = dice.randint(1, customers)
        customer -= customer % 3 == 0  # a third of them order nothing
        ordered = FIRST + datetime.timedelta(days=dice.randint(0, days))
        total, open_lines, count = 0, 0, dice.randint(1, 7)
        for number in range(1, count + 1):
            part, quantity = dice.randint(1, parts), dice.randint(1, 50)
            price, discount, tax = quantity * retail(part), dice.randint(0, 10), dice.randint(0, 8)
            shipped = ordered + datetime.timedelta(days=dice.randint(1, 121))
            received = shipped + datetime.timedelta(days=dice.randint(1, 30))
            total += price * (100 - discount) * (100 + tax) // 10000
            open_lines += shipped > TODAY
            lines.append((key, part, supplier_of(part, dice.randrange(4), suppliers), number, quantity, money(price), money(discount), money(tax),
                          dice.choice("RA") if received <= TODAY else "N", "O" if shipped > TODAY else "F", shipped,
                          ordered + datetime.timedelta(days=dice.randint(30, 90)), received, dice.choice(INSTRUCTIONS), dice.choice(MODES), some()[:44]))
        status = "F" if open_lines == 0 else "O" if open_lines == count else "P"
        yield (key, max(customer, 1), status, money(total), ordered, dice.choice(PRIORITIES), f"Clerk#{dice.randint(1, 1000):09}", 0, some())
