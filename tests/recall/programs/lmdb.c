/* SPDX-License-Identifier: BSD-2-Clause */
/* LMDB that stores through its map: some transactions on one database. */
#include "recall.h"

#include <lmdb.h>

#define NEED(call) ok((call) == MDB_SUCCESS)

int main(int count, char **arguments) {
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi database;
    ok(count == 2);
    NEED(mdb_env_create(&environment));
    NEED(mdb_env_set_mapsize(environment, 1 << 20));
    NEED(mdb_env_open(environment, arguments[1], MDB_WRITEMAP, 0600));
    for (int turn = 0; turn < 4; turn++) {
        NEED(mdb_txn_begin(environment, NULL, 0, &transaction));
        NEED(mdb_dbi_open(transaction, NULL, 0, &database));
        for (int i = 0; i < 100; i++) {
            char name[32], text[300];
            int length = snprintf(text, sizeof text, "%0*d", 1 + i * 37 % 290, turn);
            MDB_val key = {(size_t)snprintf(name, sizeof name, "key %d", i * 7 % 150), name};
            MDB_val value = {(size_t)length, text};
            NEED(mdb_put(transaction, database, &key, &value, 0));
            if (i % 10 == 9)
                NEED(mdb_del(transaction, database, &key, NULL));
        }
        NEED(mdb_txn_commit(transaction));
    }
    mdb_env_close(environment);
    return 0;
}
