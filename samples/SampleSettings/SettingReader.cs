using System.Globalization;

namespace SampleSettings;

/// <summary>
/// Reads settings by name, from the environment or any other source. A wrong value is refused by the name of its
/// setting, never shown.
/// </summary>
/// <param name="setting">The value of a name, null or empty where it is not set.</param>
public sealed class SettingReader(Func<string, string?> setting)
{
    /// <summary>A text without blanks around it; null where it is not set.</summary>
    public string? Text(string name)
        => setting(name) is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    /// <summary>A text without blanks around it.</summary>
    public string Text(string name, string otherwise) => Text(name) ?? otherwise;

    /// <summary>Texts with a separator between them, without blanks around them and without empty ones.</summary>
    public string[] List(string name, char separator) => Text(name, "").Split(
        separator, StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Which of two workers run: those that the arguments name, or <c>WORKERS</c>, or both.</summary>
    /// <exception cref="InvalidOperationException">There is no such worker.</exception>
    public string[] Workers(IReadOnlyList<string> arguments, string one, string other)
    {
        IReadOnlyList<string> named = arguments.Count > 0 ? arguments : List("WORKERS", ',');
        if (named.Any(name => name != one && name != other))
            throw new InvalidOperationException(
                $"There are the workers {one} and {other}; name one, both, or none for both.");
        return named.Count > 0 ? [.. named.Distinct()] : [one, other];
    }

    /// <summary><c>true</c> or <c>false</c>.</summary>
    /// <exception cref="InvalidOperationException">It is neither.</exception>
    public bool Flag(string name, bool otherwise = false)
    {
        if (Text(name) is not { } text) return otherwise;
        return bool.TryParse(text, out bool value) ? value : throw new InvalidOperationException(
            $"{name} must be true or false.");
    }

    /// <summary>A whole number.</summary>
    /// <exception cref="InvalidOperationException">It is none, or out of range.</exception>
    public int Whole(string name, int otherwise, int min, int max)
    {
        if (Text(name) is not { } text) return otherwise;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
            && value >= min && value <= max
            ? value
            : throw new InvalidOperationException($"{name} must be a whole number from {min} to {max}.");
    }

    /// <summary>A TCP or UDP port, 1 to 65535; 0, for a port that is free, where it is listened on.</summary>
    /// <exception cref="InvalidOperationException">It is none.</exception>
    public int Port(string name, int otherwise, bool isListener = false)
        => Whole(name, otherwise, isListener ? 0 : 1, 65_535);

    /// <summary>A number.</summary>
    /// <exception cref="InvalidOperationException">It is none, or out of range.</exception>
    public double Number(string name, double otherwise, double min, double max)
    {
        if (Text(name) is not { } text) return otherwise;
        return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && value >= min
            && value <= max
            ? value
            : throw new InvalidOperationException(
                string.Create(CultureInfo.InvariantCulture, $"{name} must be a number from {min} to {max}."));
    }

    /// <summary>A time in seconds, from 50 milliseconds to a day unless said otherwise.</summary>
    /// <exception cref="InvalidOperationException">It is no number, or out of range.</exception>
    public TimeSpan Seconds(string name, TimeSpan otherwise, double min = 0.05, double max = 86_400)
        => TimeSpan.FromSeconds(Number(name, otherwise.TotalSeconds, min, max));

    /// <summary>
    /// A time in seconds, from 50 milliseconds to a day unless said otherwise; null where it is not set.
    /// </summary>
    /// <exception cref="InvalidOperationException">It is no number, or out of range.</exception>
    public TimeSpan? Seconds(string name, double min = 0.05, double max = 86_400)
        => Text(name) is null ? null : Seconds(name, default, min, max);
}
