"""Messages that a kernel can print: mined from its bytes, kept in a table, recognised in a log."""
