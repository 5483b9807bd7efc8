/** Files that a person drops or chooses, folders included. */
import { byId } from './dom.js';

/** `path` begins with the folder's name where the file came in one. */
export interface PathFile {
  readonly path: string;
  readonly blob: File;
}

/** A folder input tells paths. */
function chosenFiles(input: HTMLInputElement): PathFile[] {
  return [...(input.files ?? [])].filter((file) => !isHidden(file.name)).map(withPath);
}

/** A hidden file input and the button that opens it: `onFiles` gets what is chosen. */
export function acceptChoice(id: string, onFiles: (files: PathFile[]) => void): void {
  const input = byId<HTMLInputElement>(id);
  document.querySelector(`[data-opens="${id}"]`)?.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    const files = chosenFiles(input);
    input.value = ''; // so that the same file can be chosen again
    onFiles(files);
  });
}

/** Everything dropped, folders walked to their ends. */
export async function droppedFiles(transfer: DataTransfer): Promise<PathFile[]> {
  // Entries must be taken before the first await: the list is gone after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return [...transfer.files].map(withPath);
  const found: PathFile[] = [];
  for (const entry of entries) if (entry !== null) await walk(entry, found);
  return found;
}

/** A drop zone: `onFiles` gets what is dropped on `zone`. */
export function acceptDrops(zone: HTMLElement, onFiles: (files: PathFile[]) => void): void {
  const over = (on: boolean) => zone.classList.toggle('over', on);
  zone.addEventListener('dragenter', () => over(true));
  zone.addEventListener('dragover', (event) => {
    event.preventDefault();
    over(true);
  });
  zone.addEventListener('dragleave', (event) => {
    if (!zone.contains(event.relatedTarget as Node | null)) over(false);
  });
  zone.addEventListener('drop', async (event) => {
    event.preventDefault();
    over(false);
    if (event.dataTransfer) onFiles(await droppedFiles(event.dataTransfer));
  });
}

async function walk(entry: FileSystemEntry, found: PathFile[]): Promise<void> {
  if (isHidden(entry.name)) return;
  if (entry.isFile) {
    const blob = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.push({ path: entry.fullPath.replace(/^\//, ''), blob });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // It gives a hundred or so at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return;
    for (const inside of some) await walk(inside, found);
  }
}

function withPath(blob: File): PathFile {
  return { path: blob.webkitRelativePath || blob.name, blob };
}

/** What systems leave in folders: .DS_Store and the like. */
function isHidden(name: string): boolean {
  return name.startsWith('.');
}
