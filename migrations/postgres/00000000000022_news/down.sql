DROP TRIGGER world_revision_is_told ON world_revision;
DROP FUNCTION tell_of_the_world();
