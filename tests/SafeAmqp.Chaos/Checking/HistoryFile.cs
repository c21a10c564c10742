using System.IO.Compression;

namespace SafeAmqp.Chaos.Checking;

internal static class HistoryFile
{
    /// <summary>Checks a history that was written before.</summary>
    internal static RunChecker Check(string path, RunExpectations expectations)
    {
        var checker = new RunChecker(expectations);
        using Stream file = File.OpenRead(path);
        using Stream stream =
            path.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(file, CompressionMode.Decompress) : file;
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
            checker.Apply(HistoryEvent.Parse(line));
        return checker;
    }
}
