"""Money: decimal numbers in a currency of ISO 4217. connections/spec/track, "revenue": $19.99 is 19.99."""

import math
import re
from typing import Any

from integrations.spec.catalogue import catalogue
from integrations.spec.codes import shown, warning
from integrations.spec.findings import Finding
from integrations.spec.json_types import is_number, named

AS_TEXT = warning(
    "money_as_text",
    "revenue, value, price, total or another amount of money is a text.",
    "Send the amount as a number, such as 19.99, and the currency as currency.",
)
IN_CENTS = warning(
    "money_in_cents",
    "An amount of money looks as if it were in cents: a whole number from 1,000 up that is no multiple of 100 or is a "
    "hundred times what the products cost, or a name that says cents.",
    "Send the amount in the main unit of the currency: 1999 cents are 19.99.",
)
CURRENCY = warning(
    "currency_not_iso",
    "currency is not a code of ISO 4217.",
    "Send the code of three letters, such as USD or EUR.",
)

RESERVED = frozenset({"revenue", "value"})
"""Numbers in any track call, whatever they look like."""

MONEY = RESERVED | {"price", "total", "subtotal", "shipping", "tax", "discount"}
_IN_ORDER = tuple(sorted(MONEY))
_MAY_BE_CENTS = ("revenue", "total", "subtotal", "price", "value")
_AMOUNT = re.compile(r"\s*[^\w\s]?\s*[-+]?\d[\d.,' ]*\s*(?:[^\w\s%]|[A-Za-z]{3})?\s*")
_CENTS_FROM = 1_000
_ABSURD = 10**15
_HUNDREDFOLD_FROM = 60
"""A total this many times the price of the products is in cents: no shipping costs that much."""
_WITHOUT_CENTS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}
)


def check_money(call: dict[Any, Any], found: list[Finding]) -> None:
    properties = call.get("properties")
    if call.get("type") != "track" or not isinstance(properties, dict):
        return
    _check_currency(properties, found)
    found.extend(
        IN_CENTS.at(f"properties.{shown(name)}", f"{shown(name)} is in cents.")
        for name, value in properties.items()
        if isinstance(name, str) and name.endswith("_cents") and is_number(value)
    )
    if not MONEY.isdisjoint(properties):
        _check_amounts(properties, "properties", found)
        _check_cents(properties, found)
    products = properties.get("products")
    for number, product in enumerate(products[:100] if isinstance(products, list) else ()):
        if isinstance(product, dict):
            _check_amounts(product, f"properties.products[{number}]", found)


def _check_currency(properties: dict[Any, Any], found: list[Finding]) -> None:
    value = properties.get("currency")
    if value is None:
        return
    if not isinstance(value, str):
        found.append(CURRENCY.at("properties.currency", f"currency is a {named(value)}, not a text."))
    # The Spec's own examples have it in lower case too.
    elif value.upper() not in catalogue().currencies:
        text = f"“{shown(value)}” is not a currency code of ISO 4217."
        found.append(CURRENCY.at("properties.currency", text))


def _check_amounts(values: dict[Any, Any], path: str, found: list[Finding]) -> None:
    for name in _IN_ORDER:
        value = values.get(name)
        if isinstance(value, str) and (name in RESERVED or _AMOUNT.fullmatch(value[:40])):
            found.append(AS_TEXT.at(f"{path}.{name}", f"{name} is a text, not a number."))


def _check_cents(properties: dict[Any, Any], found: list[Finding]) -> None:
    """A guess, hence a warning. Any amount with decimals beside it proves that the sender knows the unit."""
    currency = properties.get("currency")
    if isinstance(currency, str) and currency.upper() in _WITHOUT_CENTS:
        return
    if any(isinstance(properties.get(name), float) for name in MONEY):
        return
    expected = _sum_of_products(properties)
    for name in _MAY_BE_CENTS:
        value = properties.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not _CENTS_FROM <= value < _ABSURD:
            continue
        if (name != "value" or currency is not None) and (value % 100 or _HUNDREDFOLD_FROM * expected <= value):
            found.append(IN_CENTS.at(f"properties.{name}", f"{name} is {value:,}, which looks like cents."))


def _sum_of_products(properties: dict[Any, Any]) -> float:
    """What the products cost together; endless when that is not known."""
    products = properties.get("products")
    total = 0.0
    for product in products[:100] if isinstance(products, list) else ():
        price, quantity = (product.get("price"), product.get("quantity", 1)) if isinstance(product, dict) else (0, 0)
        if is_number(price) and is_number(quantity) and abs(price) < _ABSURD and abs(quantity) < _ABSURD:
            total += price * quantity
    return total if total > 0 else math.inf
