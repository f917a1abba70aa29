"""The one MetaData that all tables of this project belong to.

Owns the naming convention, so that every constraint has a name that a migration can address.
Never imports tables: `storage.tables` and `storage.tables_accounts` import this module, and
`storage.schema` imports them.
"""

from __future__ import annotations

from sqlalchemy import MetaData

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
