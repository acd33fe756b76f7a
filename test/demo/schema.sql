-- What an SMS product keeps: numbers, lists, who is on which list, and what happened to each message.

CREATE TABLE numbers (
    id bigint PRIMARY KEY,
    phone text NOT NULL,
    country text NOT NULL,
    carrier text,
    sent_count int NOT NULL DEFAULT 0,
    click_count int NOT NULL DEFAULT 0,
    last_sent_at timestamptz,
    last_clicked_at timestamptz,
    created_at timestamptz NOT NULL
);

CREATE TABLE lists (
    id int PRIMARY KEY,
    name text NOT NULL,
    archived boolean NOT NULL DEFAULT false
);

CREATE TABLE list_members (
    list_id int NOT NULL,
    number_id bigint NOT NULL
);

CREATE TYPE message_kind AS ENUM ('sent', 'delivered', 'clicked', 'unsubscribed');

CREATE TABLE messages (
    number_id bigint NOT NULL,
    kind message_kind NOT NULL,
    at timestamptz NOT NULL,
    campaign int NOT NULL,
    url text,
    price numeric(6, 4)
) PARTITION BY RANGE (at);
