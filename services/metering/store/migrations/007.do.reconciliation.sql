-- What vendors say they billed, as it was last imported.
create table vendor_lines (
  vendor text not null,
  source text not null,
  line_id text not null,
  upstream_request_id text not null,  -- empty: a sum over a period
  model text not null,                -- empty: all models
  start_time timestamptz not null,
  end_time timestamptz not null,      -- of a request, its start
  quantities bigint[],                -- as in attempts; null: the line says none
  cost_nanos bigint,                  -- null: the line says none
  imported_by text not null,
  import_time timestamptz not null default now(),
  primary key (vendor, source, line_id)
);
create index vendor_lines_by_time on vendor_lines (vendor, source, start_time);

-- What vendors billed beyond the ledger, or less: difference:<vendor> is debited and vendor:<vendor> credited by the same amount. Never edited;
-- the postings of a subject sum up to its difference as it was last seen.
create table vendor_postings (
  posting_id bigint generated always as identity primary key,
  vendor text not null,
  source text not null,
  start_time timestamptz not null,
  end_time timestamptz not null,
  subject text not null,              -- a model, or the vendor's id of a request
  account text not null,
  month date not null,
  amount_nanos bigint not null,
  posted_by text not null,
  post_time timestamptz not null default now()
);
create index vendor_postings_by_time on vendor_postings (vendor, source, start_time);
