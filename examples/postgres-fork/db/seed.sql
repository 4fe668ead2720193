create table account (
  number integer primary key,
  owner text not null,
  balance numeric(12, 2) not null check (balance >= 0)
);

insert into account
  select n, 'owner ' || n, 100 from generate_series(1, 1000) as n;

vacuum analyze account;

