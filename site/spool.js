// A file system for the worker's Python whose files lie on disk: what is expanded or taken out of an image does
// not fill memory. All files share one file of the origin's private storage (OPFS), in pieces; a piece that was
// never written is a hole. Folders and names are Emscripten's in-memory ones.

const PIECE = 1 << 16;
const PREFIX = "bootwright-spool-";

// A file of our own in the private storage; null where the browser has none, such as in a private window.
export async function openSpool() {
  try {
    const root = await navigator.storage.getDirectory();
    for await (const name of root.keys()) {
      // What an earlier page left; one that is in use by another tab is locked, and stays.
      if (name.startsWith(PREFIX)) await root.removeEntry(name).catch(() => {});
    }
    const file = await root.getFileHandle(`${PREFIX}${crypto.randomUUID()}`, { create: true });
    return await file.createSyncAccessHandle();
  } catch {
    return null;
  }
}

// Numbered pieces of the shared file; those of removed files are used again.
class Pieces {
  #handle;
  #free = [];
  #next = 0;

  constructor(handle) {
    this.#handle = handle;
  }

  take() {
    const used = this.#free.pop();
    if (used === undefined) return this.#next++; // beyond the end: zeros
    this.#handle.write(new Uint8Array(PIECE), { at: used * PIECE });
    return used;
  }

  give(pieces) {
    for (const piece of pieces) if (piece !== undefined) this.#free.push(piece);
  }

  read(piece, at, bytes) {
    const got = this.#handle.read(bytes, { at: piece * PIECE + at });
    if (got < bytes.length) bytes.fill(0, got); // the end of the shared file, not yet written
  }

  write(piece, at, bytes) {
    return this.#handle.write(bytes, { at: piece * PIECE + at });
  }
}

// Mounts it at `place`, which must be there and empty. `handle` is a FileSystemSyncAccessHandle.
export function mountSpool(FS, handle, place) {
  const { MEMFS } = FS.filesystems;
  const pieces = new Pieces(handle);
  const ENOSPC = 51;
  const EINVAL = 28;

  const resize = (node, size) => {
    if (size < node.usedBytes) {
      const kept = Math.ceil(size / PIECE);
      pieces.give(node.pieces.splice(kept));
      const last = node.pieces[kept - 1];
      const inside = size % PIECE;
      if (last !== undefined && inside) pieces.write(last, inside, new Uint8Array(PIECE - inside));
    }
    node.usedBytes = size;
  };
  const dropped = (node) => {
    if (node.pieces) {
      node.gone = true;
      if (!node.opened) resize(node, 0);
    }
  };

  const stream = {
    open({ node }) {
      node.opened += 1;
    },
    close({ node }) {
      node.opened -= 1;
      if (node.gone && !node.opened) resize(node, 0);
    },
    read({ node }, buffer, offset, length, position) {
      const size = Math.max(0, Math.min(length, node.usedBytes - position));
      for (let done = 0; done < size; ) {
        const at = position + done;
        const inside = at % PIECE;
        const part = Math.min(PIECE - inside, size - done);
        const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset + done, part);
        const piece = node.pieces[Math.floor(at / PIECE)];
        if (piece === undefined) bytes.fill(0);
        else pieces.read(piece, inside, bytes);
        done += part;
      }
      return size;
    },
    write({ node }, buffer, offset, length, position) {
      for (let done = 0; done < length; ) {
        const at = position + done;
        const number = Math.floor(at / PIECE);
        const inside = at % PIECE;
        const part = Math.min(PIECE - inside, length - done);
        const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset + done, part);
        try {
          node.pieces[number] ??= pieces.take();
          if (pieces.write(node.pieces[number], inside, bytes) < part) throw new FS.ErrnoError(ENOSPC);
        } catch (error) {
          throw error instanceof FS.ErrnoError ? error : new FS.ErrnoError(ENOSPC);
        }
        done += part;
      }
      node.usedBytes = Math.max(node.usedBytes, position + length);
      node.mtime = node.ctime = node.timestamp = Date.now();
      return length;
    },
    llseek({ node, position }, offset, whence) {
      const from = whence === 1 ? position : whence === 2 ? node.usedBytes : 0;
      if (from + offset < 0) throw new FS.ErrnoError(EINVAL);
      return from + offset;
    },
  };

  let folderOps = null;
  let fileOps = null;
  const ours = (node) => {
    if (FS.isDir(node.mode)) {
      folderOps ??= {
        ...node.node_ops,
        mknod: (parent, name, mode, dev) => ours(MEMFS.createNode(parent, name, mode, dev)),
        unlink(parent, name) {
          dropped(parent.contents[name]);
          node.node_ops.base.unlink(parent, name);
        },
        rename(old, folder, name) {
          const replaced = folder.contents[name];
          node.node_ops.base.rename(old, folder, name);
          if (replaced) dropped(replaced);
        },
        base: node.node_ops,
      };
      node.node_ops = folderOps;
    } else if (FS.isFile(node.mode)) {
      fileOps ??= {
        ...node.node_ops,
        setattr(file, attributes) {
          const { size, ...others } = attributes;
          if (size !== undefined) resize(file, size);
          fileOps.base.setattr(file, others);
        },
        base: node.node_ops,
      };
      node.node_ops = fileOps;
      node.stream_ops = stream;
      node.pieces = [];
      node.opened = 0;
    }
    return node;
  };
  FS.mount({ mount: () => ours(MEMFS.createNode(null, "/", 16384 | 0o777, 0)) }, {}, place);
}
