using System.Collections.Immutable;
using ImageServer.Server.State;

namespace ImageServer.Server.Images;

/// <summary>Looks through the folders for images, again and again. Links are not followed: no file outside the folders
/// is ever shown.</summary>
internal sealed class FolderScan(StateOwner owner, ImageSettings settings, TimeProvider time, ILogger<FolderScan> log)
    : BackgroundService
{
    /// <summary>The most files that are known.</summary>
    public const int MaxFiles = 100_000;

    private static readonly string[] Extensions = [".png", ".jpg", ".jpeg", ".gif", ".webp"];

    private static readonly EnumerationOptions Options = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint | FileAttributes.Hidden | FileAttributes.System,
        IgnoreInaccessible = true,
    };

    /// <summary>The image files in the folders. Empty files are passed over, and with them pipes and devices, which
    /// would never end.</summary>
    public static ImmutableArray<ImageFile> Scan(IEnumerable<string> folders, Action<string, string> onUnreadable)
    {
        var files = ImmutableArray.CreateBuilder<ImageFile>();
        foreach (string folder in folders)
        {
            try
            {
                files.AddRange(new DirectoryInfo(folder).EnumerateFiles("*", Options)
                    .Where(file => Extensions.Contains(file.Extension, StringComparer.OrdinalIgnoreCase)
                        && file.Length > 0)
                    .Take(MaxFiles - files.Count)
                    .Select(file => new ImageFile(file.FullName, file.Length, file.LastWriteTimeUtc)));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                onUnreadable(folder, error.Message);
            }
        }

        return [.. files.OrderBy(file => file.Path, StringComparer.Ordinal).Distinct()];
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (settings.Paths.Count == 0)
            return;
        using var timer = new PeriodicTimer(settings.ScanEvery, time);
        ImmutableArray<ImageFile> last = [];
        do
        {
            var found = Scan(settings.Paths, log.FolderUnreadable);
            if (found.SequenceEqual(last))
                continue;
            owner.FindFiles(found);
            log.FilesFound(found.Length);
            last = found;
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}
