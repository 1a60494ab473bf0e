-- What a manifest holds says whether it is an image, not its subject, its tag or an index: such images are read as all others.
-- Coverage 2 (plan off) is where the next look at the window takes an image in.
UPDATE image SET media_type = 1, coverage = 2, reason = '', bytes = (SELECT SUM(l.bytes) FROM image_layer l WHERE l.image = image.id)
  WHERE media_type = 3 AND EXISTS (SELECT 1 FROM image_layer l WHERE l.image = image.id);
