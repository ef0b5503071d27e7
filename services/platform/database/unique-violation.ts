/** Owns what a statement fails with whose value another transaction has taken since it looked, which only PostgreSQL's index knows. */
import pg from "pg";

/** What to do with a statement's failure: throws the error made here when the value is taken, any other one as it came. */
export function orTaken(taken: () => Error): (failure: unknown) => never {
  return (failure) => {
    throw failure instanceof pg.DatabaseError && failure.code === "23505" ? taken() : failure;
  };
}
