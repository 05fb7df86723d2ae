"""Caches with byte budgets: routes (prefix → sites) and records (identifier → values)."""

from resolver.cache.budget import BudgetCache, CacheStatistics
from resolver.cache.records import CachedRecord, RecordCache
from resolver.cache.routes import Route, RouteCache

__all__ = ["BudgetCache", "CacheStatistics", "CachedRecord", "RecordCache", "Route", "RouteCache"]
