-- What stands on each account, by the month in which the attempts started (UTC): the sum of its postings.
create table balances (
  account text not null,
  month date not null,
  amount_nanos bigint not null,
  primary key (account, month)
);

insert into balances
select account, date_trunc('month', start_time at time zone 'UTC')::date, sum(amount_nanos)::int8 from postings group by 1, 2;

-- Quantities grow with the highest meter in use: zeros at the end say nothing.
create function array_trim_zeros(bigint[]) returns bigint[] language sql immutable parallel safe
  return coalesce($1[1:(select max(place) from unnest($1) with ordinality as held (value, place) where value <> 0)], '{}');
