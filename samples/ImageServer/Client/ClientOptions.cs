using System.Globalization;
using ImageServer.Protocol;

namespace ImageServer.Client;

/// <summary>The command line of the client.</summary>
/// <param name="Host">The server; null: the one on this machine, or one of our own where there is none.</param>
/// <param name="Port">The server's port.</param>
/// <param name="Mode">The graphics mode.</param>
/// <param name="Columns">The picture's width in characters; null: the terminal's.</param>
/// <param name="Command">What to ask; empty: to be asked for, again and again.</param>
internal sealed record ClientOptions(string? Host, int Port, GraphicsMode Mode, int? Columns, string Command)
{
    /// <summary>How it is used.</summary>
    public const string Usage = """
        Usage: [--server HOST[:PORT]] [--mode 2|4|17|18] [--columns N] [COMMAND]

          gen WORDS      a picture of what the words say
          search WORDS   a picture from the catalogue
          files          a picture from the server's folders
          video          the moving test picture; next goes on
          showurl URL    a picture elsewhere, if the server allows it
          next           another of the same

        Without a command it asks for one after the other, until quit. Without --server it uses
        the server on this machine, and where none runs it starts one.
        """;

    /// <summary>Reads the command line; null when it is not right.</summary>
    public static ClientOptions? Read(IReadOnlyList<string> args)
    {
        var options = new ClientOptions(null, ImageConnection.DefaultPort, GraphicsMode.Vbxe256, null, "");
        for (int at = 0; at < args.Count; at++)
        {
            if (!args[at].StartsWith("--", StringComparison.Ordinal))
                return options with { Command = string.Join(' ', args.Skip(at)) };
            if (at + 1 == args.Count || With(options, args[at], args[++at]) is not { } changed)
                return null;
            options = changed;
        }

        return options;
    }

    private static ClientOptions? With(ClientOptions options, string name, string value)
    {
        bool isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        switch (name)
        {
            case "--mode" when isNumber && ModeFormat.Exists(number):
                return options with { Mode = (GraphicsMode)number };
            case "--columns" when isNumber && number is > 0 and <= 640:
                return options with { Columns = number };
            case "--server" when Uri.TryCreate($"tcp://{value}", UriKind.Absolute, out var uri) && uri.Host.Length > 0:
                return options with { Host = uri.Host, Port = uri.Port > 0 ? uri.Port : ImageConnection.DefaultPort };
            default:
                return null;
        }
    }
}
