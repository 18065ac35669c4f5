DROP INDEX keys_by_parent_and_end;
