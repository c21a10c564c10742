using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Channels;

namespace SafeAmqp.FaultTests.Supply;

/// <summary>A program that runs as a user would run it. Whatever it started ends with it.</summary>
internal sealed class Command : IAsyncDisposable
{
    // Half a minute alone.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(8);

    private readonly Process _process;
    private readonly string _what;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly StringBuilder _said = new();
    private readonly Task _reading;
    private readonly Task<string> _errors;

    private Command(Process process, string what)
    {
        _process = process;
        _what = what;
        _reading = ReadAsync();
        _errors = process.StandardError.ReadToEndAsync();
    }

    internal static Command Start(string folder, string program, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        return new Command(Process.Start(start)!, $"{program} {string.Join(' ', arguments)}");
    }

    internal static async Task RunAsync(string folder, string program, string[] arguments)
    {
        await using Command command = Start(folder, program, arguments);
        await command.EndAsync();
    }

    /// <summary>Waits for a line of its output.</summary>
    internal async Task<Match> LineAsync(string pattern)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Limit);
        await foreach (string line in _lines.Reader.ReadAllAsync(limit.Token))
        {
            if (Regex.Match(line, pattern) is { Success: true } found)
                return found;
        }
        throw new Xunit.Sdk.XunitException($"{_what} ended without '{pattern}':\n{_said}{await _errors}");
    }

    /// <summary>Ends its input.</summary>
    internal void PressEnter() => _process.StandardInput.Close();

    /// <summary>Waits until it ends well.</summary>
    /// <returns>What it said.</returns>
    internal async Task<string> EndAsync()
    {
        await _process.WaitForExitAsync(TestContext.Current.CancellationToken).WaitAsync(Limit);
        await _reading;
        Assert.True(_process.ExitCode == 0, $"{_what} ended with {_process.ExitCode}:\n{_said}{await _errors}");
        return _said.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(Limit);
        await _reading;
        _process.Dispose();
    }

    private async Task ReadAsync()
    {
        while (await _process.StandardOutput.ReadLineAsync() is { } line)
        {
            _said.AppendLine(line);
            _lines.Writer.TryWrite(line);
        }
        _lines.Writer.Complete();
    }
}
