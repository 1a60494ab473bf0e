-- The revision of the readers that read an image last, or tried to; 0 = none did. Images of older readers are read again.
ALTER TABLE image ADD COLUMN tried INTEGER NOT NULL DEFAULT 0;
UPDATE image SET tried = COALESCE((SELECT MAX(v.revision) FROM image_inventory v WHERE v.image = image.id AND v.until = 9223372036854775807), 0);
