"""Caches with byte budgets: routes (prefix → sites) and records (identifier → values)."""

from resolver.cache.budget import BudgetCache, CacheStatistics
from resolver.cache.entries import EntryTable
from resolver.cache.prefixes import PrefixNumbers
from resolver.cache.records import CachedRecord, Lifetimes, RecordCache, State
from resolver.cache.routes import Route, RouteCache

__all__ = [
    "BudgetCache",
    "CacheStatistics",
    "CachedRecord",
    "EntryTable",
    "Lifetimes",
    "PrefixNumbers",
    "RecordCache",
    "Route",
    "RouteCache",
    "State",
]
