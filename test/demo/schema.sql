-- What an SMS product keeps: numbers, lists, and who is on which list.

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
