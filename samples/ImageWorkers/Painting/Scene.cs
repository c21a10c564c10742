using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>What there is to draw many of.</summary>
internal enum Thing
{
    Boat, House, Tree, Mountain, Cloud, Sun, Moon, Star, Flower, Bird, Fish, Balloon, Car, Cat, Dog, Person, Rocket,
    Circle, Square, Triangle, Heart,

    /// <summary>A word that the painter does not know: a shape that only this word has.</summary>
    Unknown,
}

/// <summary>What the things stand on, or float in.</summary>
internal enum Ground
{
    None, Sea, Field, Desert, Snow, City, Space, Beach, Plain,
}

/// <summary>The light.</summary>
internal enum Daytime
{
    Day, Sunset, Night,
}

/// <summary>Some things of one kind.</summary>
/// <param name="Thing">The kind.</param>
/// <param name="Word">Its word in the prompt.</param>
/// <param name="Count">How many.</param>
/// <param name="Color">Their colour, if the prompt names one.</param>
/// <param name="Size">1 as usual, more when they are big.</param>
internal sealed record Group(Thing Thing, string Word, int Count, SKColor? Color, float Size);

/// <summary>What a prompt says, before anything is drawn.</summary>
internal sealed record Scene(
    IReadOnlyList<Group> Groups, Ground Ground, SKColor? GroundColor, SKColor? SkyColor, Daytime Daytime);
