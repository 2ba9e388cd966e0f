"""Adds rows to a SQLite table, one transaction each: rows.py DATABASE WRITER COUNT"""
import sqlite3
import sys

path, writer, rows = sys.argv[1], sys.argv[2], int(sys.argv[3])
database = sqlite3.connect(path, timeout=60, isolation_level=None)
for number in range(rows):
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO rows VALUES (?, ?)", (writer, number))
    database.execute("COMMIT")
database.close()
